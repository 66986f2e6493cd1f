/** `mesh diagnostics`: what one proxy measures, and what discovery tells proxies. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { CliError } from '../errors.ts';
import { discoverEndpoints, parseAuthority } from '../endpoints.ts';
import type { CliIo, GlobalFlags } from '../io.ts';
import { json, table } from '../output.ts';
import { listPods, podMetricsText } from '../pod-metrics.ts';
import { findPods } from '../resources.ts';
import { connectWith } from './shared.ts';

interface ProxyMetricsFlags extends GlobalFlags {
  readonly namespace: string;
}

interface EndpointsFlags extends GlobalFlags {
  readonly output: 'table' | 'json';
}

const PROXY_ADMIN_PORT = 4191;

export function addDiagnostics(parent: Command, io: CliIo): void {
  const command = parent.command('diagnostics').alias('dg').description('look inside proxies and control plane');
  command
    .command('proxy-metrics')
    .argument('<resource>', 'pod/NAME, deploy/NAME, sts/NAME, ds/NAME or job/NAME')
    .description("print the metrics of a workload's proxies")
    .option('-n, --namespace <namespace>', 'namespace of the resource', 'default')
    .action(async (resource: string, _options: unknown, self: Command) => {
      const flags = self.optsWithGlobals<ProxyMetricsFlags>();
      using connection = await connectWith(self, io);
      const pods = await findPods(connection.client, flags.namespace, resource);
      for (const pod of pods) {
        const ref = { namespace: flags.namespace, name: pod.metadata.name };
        const text = await podMetricsText(connection.client, ref, PROXY_ADMIN_PORT);
        io.stdout(`#\n# POD ${pod.metadata.name} (${pods.indexOf(pod) + 1} of ${pods.length})\n#\n${text}\n`);
      }
    });
  command
    .command('endpoints')
    .argument('<authorities...>', 'SERVICE.NAMESPACE.svc.DOMAIN:PORT, one or several')
    .description('print the endpoints that discovery gives for a service')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json']).default('table'))
    .action(async (authorities: readonly string[], _options: unknown, self: Command) => {
      const flags = self.optsWithGlobals<EndpointsFlags>();
      using connection = await connectWith(self, io);
      const pods = await listPods(connection.client, undefined).catch(() => []);
      const found = (
        await Promise.all(authorities.map((text) => discoverEndpoints(connection.client, parseAuthority(text), pods)))
      ).flat();
      if (found.length === 0) {
        throw new CliError(
          { code: 'missing_object', kind: 'EndpointSlice', name: authorities.join(', ') },
          `no endpoints found for ${authorities.join(', ')}`,
        );
      }
      io.stdout(
        flags.output === 'json'
          ? json(found)
          : table(
              ['NAMESPACE', 'IP', 'PORT', 'POD', 'SERVICE'],
              found.map((endpoint) => [
                endpoint.namespace,
                endpoint.ip,
                String(endpoint.port),
                endpoint.pod,
                endpoint.service,
              ]),
            ),
      );
    });
}
