/** What a Link says of the gateway, read from its Service. */
import { SERVICES } from '@mesh/kube';
import type { KubeClient, Service } from '@mesh/kube';
import { isDnsName, parseIp } from '@mesh/model';
import { CliError } from '../../errors.ts';
import type { GatewayFacts } from '../../manifests/link.ts';
import { gatewayZones } from './gateway-zones.ts';

export interface GatewayFlags {
  readonly namespace: string;
  readonly gatewayName: string;
  readonly gatewayNamespace?: string;
  readonly gatewayAddresses?: string;
  readonly gatewayPort?: string;
  readonly gatewayZones?: string;
}

/** @throws CliError naming the Service, what it lacks, and the fix. */
export async function gatewayFacts(client: KubeClient, flags: GatewayFlags): Promise<GatewayFacts> {
  const namespace = flags.gatewayNamespace ?? flags.namespace;
  const where = `${namespace}/${flags.gatewayName}`;
  const service = await client.get(SERVICES, { namespace, name: flags.gatewayName });
  if (service === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: 'Service', name: where },
      `no gateway here: Service ${where} is missing; install one with mesh multicluster install, name it with --gateway-name, or pass --no-gateway`,
    );
  }
  const annotation = (name: string): string => {
    const value = service.metadata.annotations?.[`mirror.linkerd.io/${name}`];
    if (value !== undefined && value !== '') return value;
    throw new CliError(
      { code: 'cluster' },
      `Service ${where} lacks annotation mirror.linkerd.io/${name}, so it is not a gateway that we can link to; reinstall the extension with mesh multicluster install`,
    );
  };
  const addresses = checkedAddresses(flags.gatewayAddresses) ?? gatewayAddresses(service, where);
  return {
    addresses,
    zones: await gatewayZones(client, flags.gatewayZones, addresses),
    port: checkedPort(flags.gatewayPort) ?? portOf(service, 'mc-gateway', where),
    identity: annotation('gateway-identity'),
    probe: {
      path: annotation('probe-path'),
      port: portOf(service, 'mc-probe', where),
      period: period(annotation('probe-period')),
    },
  };
}

function checkedAddresses(text: string | undefined): readonly string[] | undefined {
  const hosts = text?.split(',').map((host) => host.trim());
  const wrong = hosts?.find((host) => parseIp(host) === undefined && !isDnsName(host));
  if (wrong === undefined) return hosts;
  throw new CliError(
    { code: 'usage', flag: '--gateway-addresses' },
    `--gateway-addresses ${text ?? ''}: "${wrong}" is neither an IP address nor a DNS name; separate several by commas, without ports`,
  );
}

function checkedPort(text: string | undefined): string | undefined {
  if (text === undefined || (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535)) return text;
  throw new CliError(
    { code: 'usage', flag: '--gateway-port' },
    `--gateway-port ${text}: expected a whole number from 1 to 65535`,
  );
}

/** @throws CliError `no_gateway_address`: a Link without it could not carry anything. */
function gatewayAddresses(service: Service, where: string): readonly string[] {
  const addresses = (service.status?.loadBalancer?.ingress ?? []).flatMap(
    (ingress) => ingress.ip ?? ingress.hostname ?? [],
  );
  if (addresses.length > 0) return addresses;
  const type = service.spec?.type ?? 'ClusterIP';
  throw new CliError(
    { code: 'no_gateway_address', service: where },
    `the gateway has no address: Service ${where} (${type}) has no load balancer ingress${type === 'LoadBalancer' ? ' yet; wait until its EXTERNAL-IP is set, or' : ';'} name the address with --gateway-addresses, or pass --no-gateway`,
  );
}

function portOf(service: Service, name: string, where: string): string {
  const port = service.spec?.ports?.find((item) => item.name === name);
  if (port === undefined) {
    throw new CliError(
      { code: 'cluster' },
      `Service ${where} has no port named ${name}; reinstall the extension with mesh multicluster install`,
    );
  }
  const number = service.spec?.type === 'NodePort' ? port.nodePort : port.port;
  return String(number ?? port.port);
}

/** Bare integers are seconds there. */
function period(text: string): string {
  return /^\d+$/.test(text) ? `${text}s` : text;
}
