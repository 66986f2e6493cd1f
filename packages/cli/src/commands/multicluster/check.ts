/** `mesh multicluster check`: is every link working? */
import type { Command } from 'commander';
import { checkFlags, reportChecks } from '../../checks/command.ts';
import type { CheckFlags } from '../../checks/command.ts';
import { kubernetesCategories } from '../../checks/core.ts';
import { multiclusterCategory } from '../../checks/multicluster.ts';
import { CheckState } from '../../checks/state.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { connectWith } from '../shared.ts';

export function addMulticlusterCheck(parent: Command, io: CliIo): void {
  const command = parent
    .command('check')
    .description('check links, gateways and mirrors for problems')
    .option('--timeout <duration>', 'accepted for compatibility', '10s');
  checkFlags(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<GlobalFlags & CheckFlags>();
    using state = new CheckState(flags.linkerdNamespace, () => connectWith(self, io));
    const [api] = kubernetesCategories(state);
    await reportChecks([...(api === undefined ? [] : [api]), multiclusterCategory(state)], flags, io);
  });
}
