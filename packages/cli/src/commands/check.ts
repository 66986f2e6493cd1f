/** `mesh check`: is the control plane healthy, may it be installed (`--pre`), are the proxies fine (`--proxy`), does traffic pass (`--traffic`)? */
import type { Command } from 'commander';
import type { CheckCategory } from '../checks/check.ts';
import { checkFlags, reportChecks } from '../checks/command.ts';
import type { CheckFlags } from '../checks/command.ts';
import { crdCategory } from '../checks/config.ts';
import { controlPlaneCategories, kubernetesCategories } from '../checks/core.ts';
import { dataPlaneCategories } from '../checks/data-plane.ts';
import { extensionCategories } from '../checks/extensions.ts';
import { preInstallCategories } from '../checks/pre-install.ts';
import { CheckState } from '../checks/state.ts';
import { trafficFlags, withProbe } from '../checks/traffic/command.ts';
import { ProbeRun } from '../checks/traffic/probe-run.ts';
import { trafficCategory } from '../checks/traffic/traffic.ts';
import { cliVersionCategory } from '../checks/versions.ts';
import { CliError } from '../errors.ts';
import type { CliIo, GlobalFlags } from '../io.ts';
import { connectWith } from './shared.ts';

interface Flags extends GlobalFlags, CheckFlags {
  readonly pre?: boolean;
  readonly crds?: boolean;
  readonly proxy?: boolean;
  readonly namespace?: string;
  readonly expectedVersion?: string;
  readonly extensions?: string;
  readonly traffic?: boolean;
  readonly trafficNamespace?: string;
}

export function addCheck(parent: Command, io: CliIo): void {
  const command = parent
    .command('check')
    .description('check the control plane for problems; every check is explained in docs/check.md')
    .option('--pre', 'check whether a control plane can be installed')
    .option('--crds', 'check the custom resource definitions only')
    .option('--proxy', 'check the sidecars too')
    .option('-n, --namespace <namespace>', 'namespace of the sidecars for --proxy (default: all)')
    .option('--expected-version <version>', 'version that CLI and control plane must have')
    .option(
      '--extensions <names>',
      'extensions to check too: names separated by commas, or none (default: those that are installed)',
    );
  checkFlags(trafficFlags(command)).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    rejectContradictions(flags);
    using state = new CheckState(flags.linkerdNamespace, () => connectWith(self, io));
    const core = [...kubernetesCategories(state), ...(await categories(state, flags))];
    if (flags.traffic !== true) return reportChecks(core, flags, io);
    const options = { namespace: flags.trafficNamespace, withServer: true, targets: [] };
    return withProbe(new ProbeRun(state, options), io, (probe) =>
      reportChecks([...core, trafficCategory(state, probe)], flags, io),
    );
  });
}

function rejectContradictions({ pre, crds, proxy, traffic, trafficNamespace }: Flags): void {
  const early = pre === true ? '--pre' : '--crds';
  for (const [flag, given] of [
    ['--proxy', proxy],
    ['--traffic', traffic],
  ] as const)
    if ((pre === true || crds === true) && given === true)
      throw new CliError(
        { code: 'usage', flag },
        `${early} and ${flag} exclude each other: with ${early} no control plane is looked for`,
      );
  if (trafficNamespace !== undefined && traffic !== true)
    throw new CliError(
      { code: 'usage', flag: '--traffic-namespace' },
      '--traffic-namespace says where the probe of --traffic runs: give --traffic too',
    );
}

async function categories(state: CheckState, flags: Flags): Promise<readonly CheckCategory[]> {
  if (flags.crds === true) return [crdCategory(state)];
  if (flags.pre === true) return [...preInstallCategories(state), cliVersionCategory(flags.expectedVersion)];
  return [
    ...controlPlaneCategories(state, flags.expectedVersion),
    ...(flags.proxy === true ? dataPlaneCategories(state, flags.namespace) : []),
    ...(await extensionCategories(state, chosenExtensions(flags.extensions))),
  ];
}

function chosenExtensions(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'none');
}
