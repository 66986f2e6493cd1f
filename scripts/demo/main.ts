/**
 * `npm run demo`: two clusters in one command. Installs the mesh in two embedded clusters, links them, exports a service, sends requests across,
 * and breaks things while traffic flows.
 *
 *   --json   one JSON document on standard output and nothing else there (docs/demo.md)
 *   --keep   leave both clusters up, with a live traffic table, until Ctrl-C
 */
import { parseArgs } from 'node:util';
import { messageOf } from '@mesh/runtime';
import { openEmbeddedHome } from '../home/embedded-home.ts';
import { runDemo } from './demo.ts';
import type { DemoFlags } from './demo.ts';

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) return 64;
  return runDemo(flags, (signal) => openEmbeddedHome({ clusters: ['east', 'west'], signal }));
}

function readFlags(): DemoFlags | undefined {
  try {
    const { values } = parseArgs({
      options: { json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
    });
    return values;
  } catch (error) {
    process.stderr.write(`demo: ${messageOf(error)}\nusage: npm run demo -- [--json] [--keep]\n`);
    return undefined;
  }
}
