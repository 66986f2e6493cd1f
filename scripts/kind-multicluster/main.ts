/**
 * `npm run kind`: the mesh in several real clusters of this machine, made by kind.
 *
 *   npm run kind -- VERB [--clusters east,west] [--nodes N] [--runtime bun|node]
 *
 *   up       everything below in order, until a Service of the last cluster answers in the first
 *   load     the images on every node (again, after `npm run images`); then restart, so that they run
 *   restart  everything that runs our images
 *   install  the mesh and its multi-cluster extension, under one trust anchor
 *   link     every cluster with every other
 *   status   nodes, pods, links
 *   memory   what our containers take on the nodes
 *   demo     the story of `npm run demo` on these clusters
 *   logs     [--follow] COMPONENT: identity, destination, policy, injector, gateway, mirror, or NAMESPACE/DEPLOYMENT for its sidecar
 *   down     deletes the clusters
 *
 * Environment: KIND_NODE_IMAGE (default: the one that kind brings), BASE_IMAGE (of images that must be built).
 * Exit codes: 64 for wrong usage, 1 when a step fails.
 */
import { messageOf } from '@mesh/runtime';
import { openKindHome } from '../home/kind-home.ts';
import type { KindHome } from '../home/kind-home.ts';
import { deleteClusters } from './clusters.ts';
import { runKindDemo } from './demo.ts';
import { parseFlags, USAGE } from './flags.ts';
import type { Flags } from './flags.ts';
import { showLogs } from './logs.ts';
import { memoryLines, memoryOf } from './memory-use.ts';
import { FOLDER, forget, known, remember } from './memory.ts';
import {
  clusterSteps,
  imageSteps,
  installSteps,
  linkSteps,
  loadSteps,
  restartSteps,
  shopSteps,
  statusLines,
} from './steps.ts';
import type { Settings, Step } from './steps.ts';

/** Verbs that nobody else's scenario may run into. */
const CHANGING: ReadonlySet<Flags['verb']> = new Set(['up', 'install', 'link', 'restart', 'demo']);

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const flags = parseFlags(argv, await known());
  if (typeof flags === 'string') {
    process.stderr.write(`kind: ${flags}\n${USAGE}\n`);
    return 64;
  }
  await using homes = new AsyncDisposableStack();
  let opened: Promise<KindHome> | undefined;
  const open = async (): Promise<KindHome> =>
    homes.use(await openKindHome({ ...flags, folder: FOLDER, exclusive: CHANGING.has(flags.verb) }));
  const settings: Settings = {
    ...flags,
    nodeImage: process.env['KIND_NODE_IMAGE'],
    home: () => (opened ??= open()),
  };
  try {
    return await runVerb(flags, settings);
  } catch (error) {
    process.stderr.write(`kind: ${messageOf(error)}\n`);
    return 1;
  }
}

async function runVerb(flags: Flags, settings: Settings): Promise<number> {
  switch (flags.verb) {
    case 'up':
      await remember(flags.clusters);
      await runSteps([
        ...imageSteps(settings),
        ...clusterSteps(settings),
        ...loadSteps(settings),
        ...installSteps(settings),
        ...linkSteps(settings),
        ...shopSteps(settings),
      ]);
      return 0;
    case 'load':
      await runSteps([...imageSteps(settings), ...loadSteps(settings)]);
      return 0;
    case 'restart':
      await runSteps(restartSteps(settings));
      return 0;
    case 'install':
      await runSteps(installSteps(settings));
      return 0;
    case 'link':
      await runSteps(linkSteps(settings));
      return 0;
    case 'status':
      for (const line of await statusLines(await settings.home())) process.stdout.write(`${line}\n`);
      return 0;
    case 'memory':
      for (const line of memoryLines(await memoryOf(await settings.home()))) process.stdout.write(`${line}\n`);
      return 0;
    case 'demo':
      return runKindDemo(settings);
    case 'logs':
      return showLogs(await settings.home(), flags.component, flags.follow);
    case 'down': {
      const deleted = await deleteClusters(flags.clusters);
      await forget(flags.clusters);
      process.stdout.write(deleted.length === 0 ? 'no clusters to delete\n' : `deleted ${deleted.join(', ')}\n`);
      return 0;
    }
  }
}

/** Runs in order and says what each came to and how long it took. */
async function runSteps(steps: readonly Step[]): Promise<void> {
  const begun = performance.now();
  for (const step of steps) {
    const startedAt = performance.now();
    try {
      const detail = await step.run();
      process.stdout.write(`${step.title.padEnd(14)}${seconds(startedAt)}  ${detail}\n`);
    } catch (error) {
      throw new Error(`${step.title} failed after ${seconds(startedAt).trim()}: ${messageOf(error)}`, { cause: error });
    }
  }
  if (steps.length > 1) process.stdout.write(`${'total'.padEnd(14)}${seconds(begun)}\n`);
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1).padStart(6)} s`;
}
