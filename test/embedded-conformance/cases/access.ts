/** Who may do what: identities, tokens, RBAC, impersonation. */
import type { ApiCaller } from '../api-caller.ts';
import type { Cases } from '../program.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

export const accessCases: Cases = async (api, { namespace, suffix }) => {
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await api.call('an account', 'POST', accounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'robot' },
  });
  const requested = (await api.call(
    'a token',
    'POST',
    `${accounts}/robot/token`,
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } },
    { keep: withoutIssuer },
  )) as { status: { token: string } };
  const { token } = requested.status;
  api.record('the claims of a token', 'token', { code: 0, warnings: [] }, claimsOf(token));
  await tokens(api, accounts, token);
  const path = `/api/v1/namespaces/${namespace}`;
  await denials(api, path, token);
  await grants(api, { namespace, suffix, token });
  await impersonation(api, path, token, namespace);
};

function withoutIssuer(body: unknown): unknown {
  return JSON.parse(JSON.stringify(body).replaceAll(/"https:\/\/kubernetes\.default\.svc[^"]*"/g, '"<issuer>"'));
}

function claimsOf(token: string): unknown {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<
    string,
    unknown
  >;
  const { exp, iat, nbf, ...rest } = claims as { exp: number; iat: number; nbf: number };
  return withoutIssuer({ ...rest, lifetime: exp - iat, notBefore: nbf - iat });
}

async function tokens(api: ApiCaller, accounts: string, token: string): Promise<void> {
  const request = (spec: object): object => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });
  const review = (spec: object): object => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec });
  const reviews = '/apis/authentication.k8s.io/v1/tokenreviews';
  const keep = (body: unknown): unknown => {
    const text = JSON.stringify(withoutIssuer(body)).replaceAll(/"JTI=[^"]*"/g, '"<id>"');
    return JSON.parse(text);
  };
  await api.call('a token that ends too soon', 'POST', `${accounts}/robot/token`, request({ expirationSeconds: 10 }));
  await api.call('a token of nobody', 'POST', `${accounts}/nobody/token`, request({}));
  await api.call(
    'a token for a pod that is not there',
    'POST',
    `${accounts}/robot/token`,
    request({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'none' } }),
  );
  await api.call(
    'a token for something else',
    'POST',
    `${accounts}/robot/token`,
    request({ boundObjectRef: { apiVersion: 'v1', kind: 'Service', name: 'none' } }),
  );
  const other = (await api.call(
    'a token for others',
    'POST',
    `${accounts}/robot/token`,
    request({ audiences: ['them'] }),
  )) as { status: { token: string } };
  await api.call('review: good', 'POST', reviews, review({ token }), { keep });
  await api.call(
    'review: for others',
    'POST',
    reviews,
    review({ token: other.status.token, audiences: ['them', 'more'] }),
    { keep },
  );
  await api.call('review: not for us', 'POST', reviews, review({ token: other.status.token }), {
    keep: (body) => (body as { status: { authenticated?: boolean } }).status.authenticated ?? false,
  });
  await api.call('review: garbage', 'POST', reviews, review({ token: 'garbage' }), {
    keep: (body) => (body as { status: { authenticated?: boolean } }).status.authenticated ?? false,
  });
  const myself = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  await api.call('who am I', 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', myself, { token, keep });
  await api.call('a token for others is not for us', 'GET', '/version', undefined, { token: other.status.token });
  await api.call('a broken token', 'GET', '/api', undefined, { token: 'broken' });
  await api.call('a token with another signature', 'GET', '/api', undefined, { token: `${token.slice(0, -4)}AAAA` });
  await api.call('nobody in particular asks for health', 'GET', '/healthz', undefined, { token: '' });
  await api.call('nobody in particular asks for more', 'GET', '/api/v1/namespaces/default/pods', undefined, {
    token: '',
  });
  await api.call('nobody in particular asks for a path', 'GET', '/api', undefined, { token: '' });
}

async function denials(api: ApiCaller, path: string, token: string): Promise<void> {
  await api.call('list', 'GET', `${path}/pods`, undefined, { token });
  await api.call('get', 'GET', `${path}/pods/x`, undefined, { token });
  await api.call('everywhere', 'GET', '/api/v1/pods', undefined, { token });
  await api.call('watch', 'GET', `${path}/pods?watch=true`, undefined, { token });
  await api.call('a subresource', 'GET', `${path}/pods/x/log`, undefined, { token });
  await api.call('a collection', 'DELETE', '/apis/apps/v1/namespaces/default/deployments', undefined, { token });
  await api.call(
    'create',
    'POST',
    `${path}/configmaps`,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } },
    { token },
  );
  await api.call('something unknown', 'GET', '/apis/nonsense.example.com/v1/things', undefined, { token });
  await api.call('a namespace', 'GET', path, undefined, { token });
  await api.call('a path', 'GET', '/metrics', undefined, { token });
}

async function grants(
  api: ApiCaller,
  { namespace, suffix, token }: { namespace: string; suffix: string; token: string },
): Promise<void> {
  const local = `${RBAC}/namespaces/${namespace}`;
  const role = (rules: readonly object[], name = 'reader'): object => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name },
    rules,
  });
  const binding = (roleRef: object, name = 'robot-reads'): object => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name },
    roleRef,
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace }],
  });
  const ref = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' };
  await api.call(
    'a role',
    'POST',
    `${local}/roles`,
    role([
      { apiGroups: [''], resources: ['configmaps'], resourceNames: ['mine'], verbs: ['get', 'update', 'patch'] },
      { apiGroups: [''], resources: ['secrets', 'pods/log'], verbs: ['list', 'get'] },
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], verbs: ['create'] },
    ]),
  );
  await api.call(
    'a role without verbs',
    'POST',
    `${local}/roles`,
    role([{ apiGroups: [''], resources: ['pods'], verbs: [] }], 'verbless'),
  );
  await api.call('a binding', 'POST', `${local}/rolebindings`, binding(ref));
  await api.call(
    'a binding to nothing',
    'POST',
    `${local}/rolebindings`,
    binding({ kind: 'Nonsense', name: 'x', apiGroup: 'rbac.authorization.k8s.io' }, 'odd'),
  );
  const path = `/api/v1/namespaces/${namespace}`;
  await api.send('POST', `${path}/configmaps`, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine' } });
  await api.until('a named object', `${path}/configmaps/mine`, (_body, code) => code === 200, { token });
  await api.call('another object', 'GET', `${path}/configmaps/yours`, undefined, { token });
  await api.call('the list', 'GET', `${path}/secrets`, undefined, { token });
  await api.call(
    'a change of a binding target',
    'PATCH',
    `${local}/rolebindings/robot-reads`,
    { roleRef: { name: 'other' } },
    { contentType: 'application/merge-patch+json' },
  );
  await api.call(
    'more rights than its own',
    'POST',
    `${local}/roles`,
    role([{ apiGroups: [''], resources: ['pods'], verbs: ['delete'] }], 'greedy'),
    { token },
  );
  const review = (attributes: object): object => ({
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { namespace, ...attributes } },
  });
  const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const verdict = (body: unknown): unknown => (body as { status: { allowed: boolean } }).status.allowed;
  await api.call('may I: yes', 'POST', reviews, review({ verb: 'list', resource: 'secrets' }), {
    token,
    keep: verdict,
  });
  await api.call('may I: no', 'POST', reviews, review({ verb: 'delete', resource: 'secrets' }), { token });
  await api.call(
    'may it',
    'POST',
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: `system:serviceaccount:${namespace}:robot`,
        resourceAttributes: { namespace, verb: 'get', resource: 'pods', subresource: 'log' },
      },
    },
    { keep: verdict },
  );
  await api.call(
    'a binding to a missing role',
    'POST',
    `${local}/rolebindings`,
    binding({ ...ref, name: `missing-${suffix}` }, 'dangling'),
  );
  await api.until(
    'the denial names the missing role',
    `${path}/pods`,
    (body) => JSON.stringify(body).includes('not found'),
    { token },
  );
}

async function impersonation(api: ApiCaller, path: string, token: string, namespace: string): Promise<void> {
  const as = { 'impersonate-user': `system:serviceaccount:${namespace}:robot` };
  await api.call('as the account', 'GET', `${path}/pods`, undefined, { headers: as });
  await api.call('the account as another', 'GET', `${path}/pods`, undefined, {
    token,
    headers: { 'impersonate-user': 'root' },
  });
  await api.call('as a user in a group', 'GET', '/api/v1/nodes/none', undefined, {
    headers: { 'impersonate-user': 'jane', 'impersonate-group': 'system:masters' },
  });
  await api.call(
    'who is impersonated',
    'POST',
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    { headers: { 'impersonate-user': 'jane', 'impersonate-group': 'painters' } },
  );
}
