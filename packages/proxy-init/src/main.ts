/** The program `proxy-init`: arguments in, exit code out. */
import { writeFileSync } from 'node:fs';
import { stderrSink } from '@mesh/runtime';
import { execProgram } from './exec.ts';
import { readFacts } from './facts.ts';
import { runProxyInit } from './proxy-init.ts';

// No top-level await: bytecode bundles cannot have it.
void runProxyInit(process.argv.slice(2), {
  exec: execProgram,
  facts: readFacts,
  writeSetting: (path, value) => writeFileSync(`/proc/sys/${path}`, value),
  print: (text) => void process.stdout.write(`${text}\n`),
  logs: stderrSink,
}).then((code) => (process.exitCode = code));
