/** What the data path asks for, given by the control client: the shapes are the same, and the compiler sees to it. */
import type { Discovery, WorkloadIdentity } from '@mesh/control-client';
import type { Endpoints, Identity, OutboundDiscovery, PolicyPorts } from '../ports.ts';

export function identityPort(workload: WorkloadIdentity): Identity {
  return {
    name: workload.identityName,
    serverName: workload.serverName,
    get tls() {
      return workload.current()?.tls;
    },
    onChange: (listener) => workload.onChange(listener),
  };
}

export function discoveryPorts(discovery: Discovery): {
  readonly policies: PolicyPorts;
  readonly endpoints: Endpoints;
  readonly outbound: OutboundDiscovery;
} {
  return { policies: discovery.inbound, endpoints: discovery.endpoints, outbound: discovery.outbound };
}
