/** `mesh inject` and `mesh uninject`: manifests in, manifests out, a report on standard error. */
import type { Command } from 'commander';
import { injectionValues } from '@mesh/control-plane/inject';
import type { InjectionContext } from '@mesh/control-plane/inject';
import { CliError } from '../errors.ts';
import { annotate, INJECT, injectManually, uninject } from '../injection.ts';
import type { Injected } from '../injection.ts';
import type { CliIo, GlobalFlags } from '../io.ts';
import { readMeshConfig } from '../mesh-config.ts';
import { MESH_VERSION } from '../version.ts';
import { parseManifests } from '../yaml.ts';
import { connectWith, manifestOutput, readInput, writeManifests } from './shared.ts';
import type { ManifestFlags } from './shared.ts';

interface InjectFlags extends ManifestFlags, GlobalFlags {
  readonly manual?: boolean;
  readonly ignoreCluster?: boolean;
  readonly ingress?: boolean;
  readonly identityTrustAnchorsFile?: string;
  readonly [annotation: string]: unknown;
}

/** Flags that become annotations `config.linkerd.io/NAME`. */
const ANNOTATION_FLAGS: readonly (readonly [string, string])[] = [
  ['opaque-ports', 'ports, comma-separated, whose traffic is passed on without looking into it'],
  ['skip-inbound-ports', 'ports whose inbound traffic goes around the sidecar'],
  ['skip-outbound-ports', 'ports whose outbound traffic goes around the sidecar'],
  ['default-inbound-policy', 'who may connect when no policy says otherwise'],
  ['proxy-log-level', 'log level of the sidecar'],
  ['proxy-image', 'image of the sidecar'],
  ['proxy-version', 'version of the sidecar'],
  ['proxy-cpu-request', 'CPU request of the sidecar'],
  ['proxy-cpu-limit', 'CPU limit of the sidecar'],
  ['proxy-memory-request', 'memory request of the sidecar'],
  ['proxy-memory-limit', 'memory limit of the sidecar'],
  ['shutdown-grace-period', 'how long the sidecar waits for connections to end'],
];

export function addInject(parent: Command, io: CliIo): void {
  const command = parent
    .command('inject')
    .argument('<file...>', 'manifests; - for standard input')
    .description('mark workloads for injection (or, with --manual, put the sidecar in here and now)')
    .option('--manual', 'put the sidecar into the manifests instead of leaving it to the webhook')
    .option('--ignore-cluster', 'with --manual: take default values instead of those of the control plane')
    .option('--identity-trust-anchors-file <path>', 'with --ignore-cluster: PEM bundle of trust anchors')
    .option('--ingress', 'mark as an ingress, whose sidecar routes by the request and not by the address');
  for (const [name, about] of ANNOTATION_FLAGS) command.option(`--${name} <value>`, about);
  manifestOutput(command).action(async (files: readonly string[], _options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<InjectFlags>();
    const annotations = annotationsOf(flags);
    const context = flags.manual === true ? await injectionContext(self, io, flags) : undefined;
    await transform(io, files, flags, (object) =>
      context === undefined || object.kind === 'Namespace'
        ? annotate(object, annotations)
        : injectManually(object, annotations, context),
    );
  });
  manifestOutput(
    parent
      .command('uninject')
      .argument('<file...>', 'manifests; - for standard input')
      .description('take marks and sidecars out of workloads'),
  ).action(async (files: readonly string[], _options: unknown, self: Command) =>
    transform(io, files, self.optsWithGlobals<ManifestFlags>(), uninject),
  );
}

async function transform(
  io: CliIo,
  files: readonly string[],
  flags: ManifestFlags,
  edit: (object: Parameters<typeof uninject>[0]) => Injected,
): Promise<void> {
  const outcomes: Injected[] = [];
  for (const file of files) {
    const text = await readInput(io, file, 'file');
    outcomes.push(...parseManifests(text, file === '-' ? 'standard input' : file).map(edit));
  }
  writeManifests(
    io,
    outcomes.map((outcome) => outcome.object),
    flags,
  );
  io.stderr(`\n${outcomes.map(reportLine).join('')}\n`);
}

function reportLine({ object, result, reason }: Injected): string {
  const subject = `${object.kind.toLowerCase()} "${object.metadata.name ?? ''}"`;
  return `${subject} ${result}${reason === undefined ? '' : `: ${reason}`}\n`;
}

function annotationsOf(flags: InjectFlags): Readonly<Record<string, string>> {
  const configured = ANNOTATION_FLAGS.flatMap(([name]) => {
    const value = flags[name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    return typeof value === 'string' ? [[`config.linkerd.io/${name}`, value] as const] : [];
  });
  return { [INJECT]: flags.ingress === true ? 'ingress' : 'enabled', ...Object.fromEntries(configured) };
}

async function injectionContext(
  command: Command,
  io: CliIo,
  flags: InjectFlags,
): Promise<Omit<InjectionContext, 'namespace'>> {
  const base = { controlPlaneNamespace: flags.linkerdNamespace, createdBy: `linkerd/cli ${MESH_VERSION}` };
  if (flags.ignoreCluster === true) {
    const defaults = injectionValues({ linkerdVersion: MESH_VERSION, proxy: { image: { version: MESH_VERSION } } });
    if (flags.identityTrustAnchorsFile === undefined) {
      throw new CliError(
        { code: 'usage', flag: '--identity-trust-anchors-file' },
        'with --ignore-cluster the sidecar would not know whom to trust: give --identity-trust-anchors-file',
      );
    }
    const file = flags.identityTrustAnchorsFile;
    return { ...base, values: defaults, trustAnchorsPem: await readInput(io, file, '--identity-trust-anchors-file') };
  }
  using connection = await connectWith(command, io);
  const config = await readMeshConfig(connection.client, flags.linkerdNamespace);
  return { ...base, values: injectionValues(config.values), trustAnchorsPem: config.trustAnchorsPem };
}
