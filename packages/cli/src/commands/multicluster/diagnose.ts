/** `mesh multicluster diagnose`: follows one exported Service from its exporter to an answer, and names the first step that is broken. */
import type { Command } from 'commander';
import { messageOf } from '@mesh/runtime';
import { checkFlags, reportChecks } from '../../checks/command.ts';
import type { CheckFlags } from '../../checks/command.ts';
import { DIAGNOSIS_TARGET, diagnosisCategory, linkFor, localUrl } from '../../checks/diagnosis.ts';
import type { Diagnosed } from '../../checks/diagnosis.ts';
import { CheckState } from '../../checks/state.ts';
import { withProbe } from '../../checks/traffic/command.ts';
import { ProbeRun } from '../../checks/traffic/probe-run.ts';
import { CliError } from '../../errors.ts';
import { kubeConfigOptions } from '../../io.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { connectWith } from '../shared.ts';

interface Flags extends GlobalFlags, CheckFlags {
  readonly from?: string;
  readonly exporterContext?: string;
  readonly request: boolean;
  readonly trafficNamespace?: string;
  readonly extensionNamespace: string;
}

export function addDiagnose(parent: Command, io: CliIo): void {
  const command = parent
    .command('diagnose <service>')
    .description(
      'follow an exported Service from its exporter to an answer here, and name the first step that is broken; <service> is NAMESPACE/NAME as at the exporter',
    )
    .option('--from <link>', 'the Link through which it comes (default: the one that has it)')
    .option('--exporter-context <name>', 'context of the exporting cluster, to look at that side too')
    .option('--request', 'send a real request from a short-lived meshed pod', true)
    .option('--no-request', 'send no request')
    .option(
      '--traffic-namespace <namespace>',
      'namespace for the pod of the request (default: one is made and removed)',
    )
    .option('--extension-namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster');
  checkFlags(command).action(async (text: string, _options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    using importer = new CheckState(flags.linkerdNamespace, () => connectWith(self, io));
    using exporter = exporterOf(flags, io);
    const subject = await subjectOf(text, flags, importer);
    const url = flags.request ? await localUrl(subject, importer) : undefined;
    if (url === undefined) return reportChecks([diagnosisCategory(subject, importer, exporter, undefined)], flags, io);
    const targets = [{ name: DIAGNOSIS_TARGET, url }];
    const options = { namespace: flags.trafficNamespace, withServer: false, targets };
    return withProbe(new ProbeRun(importer, options), io, (probe) =>
      reportChecks([diagnosisCategory(subject, importer, exporter, probe)], flags, io),
    );
  });
}

function exporterOf(flags: Flags, io: CliIo): CheckState | undefined {
  const { exporterContext } = flags;
  if (exporterContext === undefined) return undefined;
  const chosen: GlobalFlags = { ...flags, context: exporterContext };
  return new CheckState(flags.linkerdNamespace, () => io.connect(kubeConfigOptions(chosen, io.env)));
}

async function subjectOf(text: string, flags: Flags, importer: CheckState): Promise<Diagnosed> {
  const [namespace = '', name = '', ...rest] = text.split('/');
  if (namespace === '' || name === '' || rest.length > 0)
    throw new CliError(
      { code: 'usage' },
      `${text}: name the Service as NAMESPACE/NAME, as it is called at its exporter`,
    );
  try {
    const link = await linkFor(await importer.client(), { namespace, name, from: flags.from });
    return { namespace, name, link, extensionNamespace: flags.extensionNamespace };
  } catch (error) {
    throw new CliError({ code: 'usage', flag: '--from' }, messageOf(error), { cause: error });
  }
}
