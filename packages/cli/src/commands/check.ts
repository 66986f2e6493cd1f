/** `mesh check`: is the control plane healthy, may it be installed (`--pre`), are the proxies fine (`--proxy`)? */
import type { Command } from 'commander';
import { checkFlags, reportChecks } from '../checks/command.ts';
import type { CheckFlags } from '../checks/command.ts';
import { controlPlaneCategories, dataPlaneCategory, kubernetesCategories, preInstallCategory } from '../checks/core.ts';
import { CheckState } from '../checks/state.ts';
import type { CliIo, GlobalFlags } from '../io.ts';
import { connectWith } from './shared.ts';

interface Flags extends GlobalFlags, CheckFlags {
  readonly pre?: boolean;
  readonly proxy?: boolean;
  readonly namespace?: string;
}

export function addCheck(parent: Command, io: CliIo): void {
  const command = parent
    .command('check')
    .description('check the control plane for problems')
    .option('--pre', 'check whether a control plane can be installed')
    .option('--proxy', 'check the sidecars too')
    .option('-n, --namespace <namespace>', 'namespace of the sidecars for --proxy (default: all)');
  checkFlags(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    using state = new CheckState(flags.linkerdNamespace, () => connectWith(self, io));
    const categories = [
      ...kubernetesCategories(state),
      ...(flags.pre === true ? [preInstallCategory(state)] : controlPlaneCategories(state)),
      ...(flags.proxy === true ? [dataPlaneCategory(state, flags.namespace)] : []),
    ];
    await reportChecks(categories, flags, io);
  });
}
