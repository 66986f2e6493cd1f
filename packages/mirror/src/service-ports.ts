/** Ports of Services as mirrors have them. Pure. */
import type { Service, ServicePort } from '@mesh/kube';

export function portsOf(service: Service): readonly ServicePort[] {
  return (service.spec?.ports ?? []).map((port) => ({
    ...(port.name === undefined || port.name === '' ? {} : { name: port.name }),
    protocol: port.protocol ?? 'TCP',
    port: port.port,
    targetPort: port.targetPort ?? port.port,
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
  }));
}

/** True for ports that clients cannot tell apart. */
export function samePort(a: ServicePort, b: ServicePort): boolean {
  return a.port === b.port && (a.name ?? '') === (b.name ?? '') && (a.protocol ?? 'TCP') === (b.protocol ?? 'TCP');
}

/** `http (80/TCP)`, for messages. */
export function describePort(port: ServicePort): string {
  const number = `${port.port}/${port.protocol ?? 'TCP'}`;
  return port.name === undefined || port.name === '' ? number : `${port.name} (${number})`;
}
