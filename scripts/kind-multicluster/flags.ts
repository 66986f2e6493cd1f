/** The command line of `npm run kind`. */
import { parseArgs } from 'node:util';
import { messageOf } from '@mesh/runtime';
import type { SidecarRuntime } from '../home/kind-home.ts';

export const VERBS = ['up', 'load', 'restart', 'install', 'link', 'status', 'memory', 'demo', 'logs', 'down'] as const;
export const USAGE = `usage: npm run kind -- ${VERBS.join('|')} [--clusters east,west] [--nodes N] [--runtime bun|node] [--follow] [COMPONENT]`;

export interface Flags {
  readonly verb: (typeof VERBS)[number];
  readonly clusters: readonly string[];
  readonly nodes: number;
  readonly runtime: SidecarRuntime;
  readonly follow: boolean;
  readonly component: string;
}

/** More on one machine is a mistake in typing. */
const NODES_MAX = 16;

/** @param clusters What `--clusters` means when it is not given. @returns The flags, or what is wrong with them. */
export function parseFlags(argv: readonly string[], clusters: readonly string[]): Flags | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        clusters: { type: 'string', default: clusters.join(',') },
        nodes: { type: 'string', default: '1' },
        runtime: { type: 'string', default: 'bun' },
        follow: { type: 'boolean', short: 'f', default: false },
      },
    });
    const [verbText, component = '', ...rest] = positionals;
    const verb = VERBS.find((each) => each === verbText);
    if (verb === undefined) return verbText === undefined ? 'give a verb' : `no verb ${JSON.stringify(verbText)}`;
    if (rest.length > 0 || (component !== '' && verb !== 'logs'))
      return `${verb} takes no ${JSON.stringify(rest[0] ?? component)}`;
    if (verb === 'logs' && component === '') return 'logs: name a component';
    const nodes = Number(values.nodes);
    if (!Number.isInteger(nodes) || nodes < 1 || nodes > NODES_MAX) {
      return `--nodes ${values.nodes}: give the number of nodes of each cluster, 1 to ${NODES_MAX}`;
    }
    if (values.runtime !== 'bun' && values.runtime !== 'node') return `--runtime ${values.runtime}: give bun or node`;
    return {
      verb,
      clusters: values.clusters
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
      nodes,
      runtime: values.runtime,
      follow: values.follow,
      component,
    };
  } catch (error) {
    return messageOf(error);
  }
}
