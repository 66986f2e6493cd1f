/**
 * What a linked cluster's mirror may do here. An account for all peers comes with the extension; one for each peer (`allow --peer`) reads what is
 * exported to that peer as well, and can be revoked alone.
 */
import { defaultMulticlusterValues } from '../values/multicluster.ts';
import type { MulticlusterValues } from '../values/multicluster.ts';
import { CONTROL_PLANE_NAMESPACE, EXTENSION_LABELS } from './extension.ts';
import type { Labels, Manifest, ManifestTemplate, RbacRule, Subject } from './object.ts';
import { clusterAccess, EVENT_RULES, namespace, namespacedAccess, rule, serviceAccount, WATCH } from './object.ts';
import { CREATED_BY } from './provenance.ts';
import type { Text } from './template.ts';
import { choose, equals, evaluateManifests, Expression, extension, NAMESPACE, text, when } from './template.ts';

export const DEFAULT_REMOTE_ACCOUNT = 'linkerd-service-mirror-remote-access-default';

/** On an account: what its holder reads here, for whoever makes a Link with it. Absent: everything, as Linkerd's accounts do. */
export const ANNOTATION_ACCESS = 'federation.mesh.dev/access';
/** On the namespace of a peer's own view. */
const LABEL_PEER = 'federation.mesh.dev/peer';

export type RemoteAccess = 'exports' | 'cluster';

/** The namespace of what is exported to one peer, and the name of that peer's account. */
export function peerName(peer: string): string {
  return `mesh-peer-${peer}`;
}

/** The namespaces that a peer reads, as its Link lists them; without a peer, what everybody may read. */
export function exportNamespaces(extensionNamespace: string, peer: string | undefined): readonly string[] {
  return [extensionNamespace, ...(peer === undefined ? [] : [peerName(peer)])];
}

/** What mirrors and destination controllers of Linkerd watch at a peer. */
export const REMOTE_ACCESS_RULES: readonly RbacRule[] = [
  rule('apps', ['replicasets'], ['get', ...WATCH]),
  rule('batch', ['jobs'], ['get', ...WATCH]),
  rule('', ['pods', 'endpoints', 'services'], ['get', ...WATCH]),
  rule('discovery.k8s.io', ['endpointslices'], ['get', ...WATCH]),
  rule('policy.linkerd.io', ['servers'], ['get', ...WATCH]),
  ...EVENT_RULES,
];

/** The view of a namespace. */
const VIEW_RULES: readonly RbacRule[] = [
  rule('federation.mesh.dev', ['exportedservices', 'exportedendpoints'], ['get', ...WATCH]),
];

/** How the mesh of this cluster is called: domains, namespace, anchors. */
const CONFIG_RULES: readonly RbacRule[] = [
  rule('', ['configmaps'], ['get'], ['linkerd-config', 'linkerd-identity-trust-roots']),
];

/** A new token of its own, before the present one ends. */
function renewalRules(account: Text): readonly RbacRule[] {
  return [rule('', ['serviceaccounts/token'], ['create'], [account])];
}

/** The account for all peers that have none of their own. */
export function remoteAccess(): readonly unknown[] {
  const account = extension('remoteMirrorServiceAccountName');
  const readsAll = equals(extension('remoteMirrorAccess'), 'cluster');
  return accountManifests(account, readsAll, readsAll);
}

function accountManifests(
  account: Expression<string>,
  readsAll: Expression<boolean>,
  isStatic: Expression<boolean>,
): readonly unknown[] {
  const subject = { name: account, namespace: NAMESPACE };
  const role = choose<string>(
    equals(account, DEFAULT_REMOTE_ACCOUNT),
    account,
    text`linkerd-service-mirror-remote-access-${account}`,
  );
  const access = choose<string>(readsAll, 'cluster', 'exports');
  return [
    serviceAccount(account, NAMESPACE, EXTENSION_LABELS, { ...CREATED_BY, [ANNOTATION_ACCESS]: access }),
    when(isStatic, tokenSecret(account)),
    ...clusterAccess(role, subject, EXTENSION_LABELS, REMOTE_ACCESS_RULES).map((object) => when(readsAll, object)),
    ...namespacedAccess(role, NAMESPACE, subject, EXTENSION_LABELS, [...VIEW_RULES, ...renewalRules(account)]),
    ...namespacedAccess(role, CONTROL_PLANE_NAMESPACE, subject, EXTENSION_LABELS, CONFIG_RULES),
  ];
}

const ALWAYS = new Expression(() => true, 'true');

/** A token that does not expire, which the cluster fills in. */
function tokenSecret(account: Text): ManifestTemplate {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: text`${account}-token`,
      namespace: NAMESPACE,
      annotations: { ...CREATED_BY, 'kubernetes.io/service-account.name': account },
      labels: EXTENSION_LABELS,
    },
    type: 'kubernetes.io/service-account-token',
  };
}

export interface AllowOptions {
  /** Of the extension. */
  readonly namespace: string;
  readonly controlPlaneNamespace: string;
  readonly cliVersion: string;
}

/**
 * One more account for all that is exported to everybody, or with Linkerd's rights, and with a token that does not expire: one account per linked
 * cluster makes access revocable one by one.
 */
export function remoteAccessManifests(
  account: string,
  access: RemoteAccess,
  { namespace: ns, controlPlaneNamespace, cliVersion }: AllowOptions,
): readonly Manifest[] {
  const values: MulticlusterValues = {
    ...defaultMulticlusterValues(),
    cliVersion,
    linkerdNamespace: controlPlaneNamespace,
    remoteMirrorServiceAccountName: account,
    remoteMirrorAccess: access,
  };
  const readsAll = equals(extension('remoteMirrorAccess'), 'cluster');
  const name = extension('remoteMirrorServiceAccountName');
  return evaluateManifests(accountManifests(name, readsAll, ALWAYS), { values, namespace: ns });
}

export interface PeerOptions extends AllowOptions {
  readonly peer: string;
  /** Trust domain that the peer must have; absent: any that the anchors vouch for. */
  readonly trustDomain?: string | undefined;
  /** With a token that does not expire beside those that do. */
  readonly isStatic: boolean;
}

/** A cluster that may link here: its Peer, the namespace of what is exported to it, and its account, which reads that and nothing else. */
export function peerManifests(options: PeerOptions): readonly Manifest[] {
  const { peer, namespace: ns, controlPlaneNamespace } = options;
  const name = peerName(peer);
  const subject: Subject = { name, namespace: ns };
  const labels: Labels = { ...EXTENSION_LABELS, [LABEL_PEER]: peer };
  const templates = [
    namespace(name, { [LABEL_PEER]: peer }, CREATED_BY),
    {
      apiVersion: 'federation.mesh.dev/v1alpha1',
      kind: 'Peer',
      metadata: { name: peer, namespace: ns, annotations: CREATED_BY },
      spec: options.trustDomain === undefined ? {} : { trustDomain: options.trustDomain },
    },
    serviceAccount(name, ns, labels, { ...CREATED_BY, [ANNOTATION_ACCESS]: 'exports' }),
    ...(options.isStatic ? [tokenSecret(name)] : []),
    ...namespacedAccess(name, name, subject, labels, VIEW_RULES),
    ...namespacedAccess(name, ns, subject, labels, [
      ...VIEW_RULES,
      rule('federation.mesh.dev', ['peers'], ['get'], [peer]),
      rule('federation.mesh.dev', ['peers/status'], ['patch'], [peer]),
      ...renewalRules(name),
    ]),
    ...namespacedAccess(name, controlPlaneNamespace, subject, labels, CONFIG_RULES),
  ];
  const values: MulticlusterValues = { ...defaultMulticlusterValues(), cliVersion: options.cliVersion };
  return evaluateManifests(templates, { values, namespace: ns });
}
