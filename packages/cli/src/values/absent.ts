/**
 * Values that Linkerd's charts have and that mean nothing here, with the reason: somebody who brings a values file along learns at once
 * what to delete from it, and why.
 */

interface Absence {
  /** What holds here always; setting the value to this is no error. */
  readonly holds?: unknown;
  readonly why: string;
}

const ABSENT: Readonly<Record<string, Absence>> = {
  enablePSP: {
    holds: false,
    why: 'Kubernetes has no PodSecurityPolicies since 1.25; pods here pass level "restricted"',
  },
  enableEndpointSlices: { holds: true, why: 'endpoints are always read from EndpointSlices' },
  enableEndpointsController: { holds: true, why: 'endpoints are always read from EndpointSlices' },
  'identity.serviceAccountTokenProjection': {
    holds: true,
    why: 'tokens are always projected, with audience identity.l5d.io',
  },
  'identity.kubeAPI': { why: 'the clients of the API have fixed limits' },
  'proxy.outboundTransportMode': {
    holds: 'transport-header',
    why: 'connections between sidecars always start with a transport header',
  },
  'proxyInit.kubeAPIServerPorts': {
    why: 'controllers have no sidecar, so no port of the API server needs to bypass one',
  },
  'proxyInit.xtMountPath': { why: 'the lock of iptables is in an emptyDir at /run' },
  'proxyInit.image': { why: 'the init container runs from proxy.image' },
  heartbeatSchedule: { why: 'nothing is reported to anybody' },
  disableHeartBeat: { holds: true, why: 'nothing is reported to anybody' },
  prometheusUrl: { why: 'nothing is reported to anybody' },
  policyController: { why: 'policy runs in the image of all controllers: set controllerImage, destinationResources' },
  policyValidator: { why: 'the CRDs validate policies' },
  profileValidator: { why: 'the CRDs validate ServiceProfiles' },
  spValidator: { why: 'the CRDs validate ServiceProfiles' },
  spValidatorResources: { why: 'the CRDs validate ServiceProfiles' },
  webhookResources: { why: 'set proxyInjectorResources' },
  egress: { why: 'EgressNetworks are read from all namespaces' },
  'gateway.pauseImage': { why: 'the gateway is a program of its own, without a pause container' },
  localServiceMirror: { why: 'the one mirror controller serves the members of this cluster too' },
  controllers: { why: 'the one mirror controller finds its Links by itself' },
  'controllerDefaults.enableHeadlessServices': {
    holds: true,
    why: 'headless Services whose pods have names are always mirrored with these names',
  },
  enableHeadlessServices: {
    holds: true,
    why: 'headless Services whose pods have names are always mirrored with these names',
  },
};

/** Why there is no such value; `holds` when it is set to what is true anyway; undefined for a name that Linkerd does not know either. */
export function reasonForAbsence(name: string, value: unknown): string | undefined {
  for (const [absent, { holds, why }] of Object.entries(ABSENT)) {
    if (name !== absent && !name.startsWith(`${absent}.`) && !name.startsWith(`${absent}[`)) continue;
    return holds !== undefined && JSON.stringify(holds) === JSON.stringify(value)
      ? 'holds'
      : `Linkerd has it, but it means nothing here: ${why}; leave it out`;
  }
  return undefined;
}
