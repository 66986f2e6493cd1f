/** `mesh multicluster gateways`: which linked clusters' gateways answer, and how fast. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { gatewayStates } from '../../gateways.ts';
import type { GatewayState } from '../../gateways.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { json, table } from '../../output.ts';
import { connectWith } from '../shared.ts';

interface Flags extends GlobalFlags {
  readonly clusterName?: string;
  readonly output: 'table' | 'json';
}

export function addGateways(parent: Command, io: CliIo): void {
  parent
    .command('gateways')
    .description("show the state of linked clusters' gateways")
    .option('--cluster-name <name>', 'only this cluster')
    .option('-w, --wait <duration>', 'accepted for compatibility; the state is read at once')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json']).default('table'))
    .action(async (_options: unknown, self: Command) => {
      const flags = self.optsWithGlobals<Flags>();
      using connection = await connectWith(self, io);
      const states = await gatewayStates(connection.client);
      const chosen = states.filter(
        (state) => flags.clusterName === undefined || state.clusterName === flags.clusterName,
      );
      io.stdout(flags.output === 'json' ? json(chosen) : gatewayTable(chosen));
    });
}

export function gatewayTable(states: readonly GatewayState[]): string {
  return table(
    ['CLUSTER', 'ALIVE', 'NUM_SVC', 'LATENCY'],
    states.map((state) => [
      state.clusterName,
      state.alive ? 'True' : 'False',
      String(state.numberOfServices),
      state.latency === undefined ? '-' : `${state.latency}ms`,
    ]),
    ['NUM_SVC', 'LATENCY'],
  );
}
