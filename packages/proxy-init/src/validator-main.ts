/** The program `network-validator`: arguments in, exit code out. */
import { stderrSink } from '@mesh/runtime';
import { runNetworkValidator } from './network-validator.ts';

void runNetworkValidator(process.argv.slice(2), {
  print: (text) => void process.stdout.write(`${text}\n`),
  logs: stderrSink,
}).then((code) => process.exit(code));
