/** `mesh multicluster check`: is every link working, and does traffic pass every gateway (`--traffic`)? */
import type { Command } from 'commander';
import { checkFlags, reportChecks } from '../../checks/command.ts';
import type { CheckFlags } from '../../checks/command.ts';
import { kubernetesApiCategory } from '../../checks/kubernetes.ts';
import { multiclusterCategory } from '../../checks/multicluster.ts';
import { CheckState } from '../../checks/state.ts';
import { trafficFlags, withProbe } from '../../checks/traffic/command.ts';
import { gatewayTargets, probeTargets } from '../../checks/traffic/gateway-targets.ts';
import { ProbeRun } from '../../checks/traffic/probe-run.ts';
import { gatewayTrafficCategory } from '../../checks/traffic/traffic.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { connectWith } from '../shared.ts';

interface Flags extends GlobalFlags, CheckFlags {
  readonly traffic?: boolean;
  readonly trafficNamespace?: string;
}

export function addMulticlusterCheck(parent: Command, io: CliIo): void {
  const command = parent
    .command('check')
    .description('check links, gateways and mirrors for problems; every check is explained in docs/check.md')
    .option('--timeout <duration>', 'accepted for compatibility', '10s');
  checkFlags(trafficFlags(command)).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    using state = new CheckState(flags.linkerdNamespace, () => connectWith(self, io));
    const core = [kubernetesApiCategory(state), multiclusterCategory(state)];
    if (flags.traffic !== true) return reportChecks(core, flags, io);
    const targets = await gatewayTargets(state);
    const options = { namespace: flags.trafficNamespace, withServer: false, targets: probeTargets(targets) };
    return withProbe(new ProbeRun(state, options), io, (probe) =>
      reportChecks([...core, gatewayTrafficCategory(probe, targets)], flags, io),
    );
  });
}
