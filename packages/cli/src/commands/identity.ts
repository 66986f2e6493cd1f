/** `mesh identity`: the certificates that meshed pods present right now, read from their own inbound port. */
import type { Command } from 'commander';
import { CliError } from '../errors.ts';
import { describeChain } from '../certificate-text.ts';
import type { CliIo, GlobalFlags } from '../io.ts';
import { isMeshed, listPods } from '../pod-metrics.ts';
import { readMeshConfig } from '../mesh-config.ts';
import { forwardPort } from '../port-forward.ts';
import { peerCertificates } from '../tls-peek.ts';
import { connectWith } from './shared.ts';

interface Flags extends GlobalFlags {
  readonly namespace: string;
  readonly selector?: string;
}

const INBOUND_PORT = 4143;

export function addIdentity(parent: Command, io: CliIo): void {
  parent
    .command('identity')
    .argument('[pods...]', 'names of pods')
    .description('print the certificates of meshed pods')
    .option('-n, --namespace <namespace>', 'namespace of the pods', 'default')
    .option('-l, --selector <selector>', 'label selector, instead of names')
    .action(async (names: readonly string[], _options: unknown, self: Command) => {
      const flags = self.optsWithGlobals<Flags>();
      if (names.length === 0 && flags.selector === undefined) {
        throw new CliError({ code: 'usage' }, 'name at least one pod, or choose some with --selector');
      }
      using connection = await connectWith(self, io);
      const all = await listPods(connection.client, flags.namespace, flags.selector);
      const pods = names.length === 0 ? all.filter(isMeshed) : all.filter((pod) => names.includes(pod.metadata.name));
      const missing = names.filter((name) => !pods.some((pod) => pod.metadata.name === name));
      if (missing.length > 0) {
        throw new CliError(
          { code: 'missing_object', kind: 'Pod', name: missing[0] ?? '' },
          `no running pod ${flags.namespace}/${missing.join(', ')}`,
        );
      }
      const { trustDomain } = await readMeshConfig(connection.client, flags.linkerdNamespace);
      for (const pod of pods) {
        const name = pod.metadata.name;
        io.stdout(`\nPOD ${name} (${pods.indexOf(pod) + 1} of ${pods.length})\n\n`);
        const account = pod.spec.serviceAccountName ?? 'default';
        const controlPlane = pod.metadata.labels?.['linkerd.io/control-plane-ns'] ?? flags.linkerdNamespace;
        const serverName = `${account}.${flags.namespace}.serviceaccount.identity.${controlPlane}.${trustDomain}`;
        const target = { namespace: flags.namespace, pod: name, port: INBOUND_PORT };
        // An API server that forwards nothing is one whose pods live on this machine.
        const forwarded = await forwardPort(connection.access, target, io.signal);
        const chain = await peerCertificates({
          via: forwarded ?? { host: pod.status?.podIP ?? '', port: INBOUND_PORT },
          name: `pod ${flags.namespace}/${name}, port ${INBOUND_PORT}`,
          serverName,
          signal: io.signal,
        });
        io.stdout(describeChain(chain));
      }
    });
}
