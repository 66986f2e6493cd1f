/** The resources that the mesh reads and writes: where they live in the API and which type they carry. */
import type {
  Pod,
  Service,
  Endpoints,
  EndpointSlice,
  Namespace,
  Node,
  Secret,
  ConfigMap,
  ServiceAccount,
  Event,
  Lease,
  Deployment,
  ReplicaSet,
  TokenReview,
  SubjectAccessReview,
  WebhookConfiguration,
  CustomResourceDefinition,
} from './core-types.ts';
import type { ExportedEndpoints, ExportedService, ExportPolicy, Peer } from './federation-types.ts';
import type { Link } from './link.ts';
import type { ServiceExport, ServiceImport } from './mcs-types.ts';
import type {
  AuthorizationPolicy,
  EgressNetwork,
  ExternalWorkload,
  HttpLocalRateLimitPolicy,
  MeshTlsAuthentication,
  NetworkAuthentication,
  PolicyHttpRoute,
  Server,
  ServerAuthorization,
  ServiceProfile,
} from './mesh-types.ts';
import type { KubeObject, UnknownObject } from './object.ts';

/** Identifies a resource of the API. The type parameter says what its objects look like. */
export interface ResourceKind<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: carries `T` for inference. */
  readonly _object?: T;
}

/** `v1` or `group/version`. */
export function apiVersionOf(kind: ResourceKind): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** `services`, `endpointslices.discovery.k8s.io`: how errors, metrics and logs call a resource. */
export function resourceName(kind: ResourceKind): string {
  return kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
}

function define<T extends KubeObject>(
  apiVersion: string,
  plural: string,
  kind: string,
  namespaced = true,
): ResourceKind<T> {
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  return { group, version: apiVersion.slice(slash + 1), plural, kind, namespaced };
}

/** For kinds that are known only at run time, such as those of a manifest. */
export function dynamicKind(
  apiVersion: string,
  plural: string,
  kind: string,
  namespaced: boolean,
): ResourceKind<UnknownObject> {
  return define<UnknownObject>(apiVersion, plural, kind, namespaced);
}

export const PODS = define<Pod>('v1', 'pods', 'Pod');
export const SERVICES = define<Service>('v1', 'services', 'Service');
export const ENDPOINTS = define<Endpoints>('v1', 'endpoints', 'Endpoints');
export const NAMESPACES = define<Namespace>('v1', 'namespaces', 'Namespace', false);
export const NODES = define<Node>('v1', 'nodes', 'Node', false);
export const SECRETS = define<Secret>('v1', 'secrets', 'Secret');
export const CONFIG_MAPS = define<ConfigMap>('v1', 'configmaps', 'ConfigMap');
export const SERVICE_ACCOUNTS = define<ServiceAccount>('v1', 'serviceaccounts', 'ServiceAccount');
export const EVENTS = define<Event>('v1', 'events', 'Event');
export const ENDPOINT_SLICES = define<EndpointSlice>('discovery.k8s.io/v1', 'endpointslices', 'EndpointSlice');
export const LEASES = define<Lease>('coordination.k8s.io/v1', 'leases', 'Lease');
export const DEPLOYMENTS = define<Deployment>('apps/v1', 'deployments', 'Deployment');
export const REPLICA_SETS = define<ReplicaSet>('apps/v1', 'replicasets', 'ReplicaSet');
export const TOKEN_REVIEWS = define<TokenReview>('authentication.k8s.io/v1', 'tokenreviews', 'TokenReview', false);
export const SUBJECT_ACCESS_REVIEWS = define<SubjectAccessReview>(
  'authorization.k8s.io/v1',
  'subjectaccessreviews',
  'SubjectAccessReview',
  false,
);
export const MUTATING_WEBHOOKS = define<WebhookConfiguration>(
  'admissionregistration.k8s.io/v1',
  'mutatingwebhookconfigurations',
  'MutatingWebhookConfiguration',
  false,
);
export const VALIDATING_WEBHOOKS = define<WebhookConfiguration>(
  'admissionregistration.k8s.io/v1',
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
  false,
);
export const CUSTOM_RESOURCE_DEFINITIONS = define<CustomResourceDefinition>(
  'apiextensions.k8s.io/v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);

export const LINKS = define<Link>('multicluster.linkerd.io/v1alpha3', 'links', 'Link');
export const PEERS = define<Peer>('federation.mesh.dev/v1alpha1', 'peers', 'Peer');
export const EXPORT_POLICIES = define<ExportPolicy>('federation.mesh.dev/v1alpha1', 'exportpolicies', 'ExportPolicy');
export const EXPORTED_SERVICES = define<ExportedService>(
  'federation.mesh.dev/v1alpha1',
  'exportedservices',
  'ExportedService',
);
export const EXPORTED_ENDPOINTS = define<ExportedEndpoints>(
  'federation.mesh.dev/v1alpha1',
  'exportedendpoints',
  'ExportedEndpoints',
);
export const SERVICE_EXPORTS = define<ServiceExport>(
  'multicluster.x-k8s.io/v1beta1',
  'serviceexports',
  'ServiceExport',
);
export const SERVICE_IMPORTS = define<ServiceImport>(
  'multicluster.x-k8s.io/v1beta1',
  'serviceimports',
  'ServiceImport',
);
export const SERVERS = define<Server>('policy.linkerd.io/v1beta3', 'servers', 'Server');
export const SERVER_AUTHORIZATIONS = define<ServerAuthorization>(
  'policy.linkerd.io/v1beta1',
  'serverauthorizations',
  'ServerAuthorization',
);
export const AUTHORIZATION_POLICIES = define<AuthorizationPolicy>(
  'policy.linkerd.io/v1alpha1',
  'authorizationpolicies',
  'AuthorizationPolicy',
);
export const MESH_TLS_AUTHENTICATIONS = define<MeshTlsAuthentication>(
  'policy.linkerd.io/v1alpha1',
  'meshtlsauthentications',
  'MeshTLSAuthentication',
);
export const NETWORK_AUTHENTICATIONS = define<NetworkAuthentication>(
  'policy.linkerd.io/v1alpha1',
  'networkauthentications',
  'NetworkAuthentication',
);
export const HTTP_LOCAL_RATE_LIMIT_POLICIES = define<HttpLocalRateLimitPolicy>(
  'policy.linkerd.io/v1alpha1',
  'httplocalratelimitpolicies',
  'HTTPLocalRateLimitPolicy',
);
export const EGRESS_NETWORKS = define<EgressNetwork>('policy.linkerd.io/v1alpha1', 'egressnetworks', 'EgressNetwork');
export const POLICY_HTTP_ROUTES = define<PolicyHttpRoute>('policy.linkerd.io/v1beta3', 'httproutes', 'HTTPRoute');
export const SERVICE_PROFILES = define<ServiceProfile>('linkerd.io/v1alpha2', 'serviceprofiles', 'ServiceProfile');
export const EXTERNAL_WORKLOADS = define<ExternalWorkload>(
  'workload.linkerd.io/v1beta1',
  'externalworkloads',
  'ExternalWorkload',
);
