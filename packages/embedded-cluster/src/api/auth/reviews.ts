/** Questions about access and identity: TokenReview, the access reviews, SelfSubjectReview and TokenRequest. */
import { asArray, asNumber, asObject, asString, cloneJson, memberAt, type JsonObject } from '../json.ts';
import { timestamp, type Machinery } from '../machinery.ts';
import { checkTypeMeta } from '../object-meta.ts';
import { checkBodyKind, type AuthorizationAttributes, type RequestInfo } from '../operations.ts';
import { splitGroupVersion, type Resource } from '../resources.ts';
import type { SpecialTable } from '../special.ts';
import { badRequest, conflict, failure, invalid, notFound } from '../status-error.ts';
import type { KubeObject, UserInfo } from '../types.ts';
import type { RbacAuthorizer } from './rbac.ts';
import {
  TOKEN_SECONDS_DEFAULT,
  TOKEN_SECONDS_MIN,
  type BoundObject,
  type ServiceAccountTokens,
} from './service-account-tokens.ts';

export interface ReviewParts {
  readonly machinery: Machinery;
  readonly authorizer: RbacAuthorizer;
  readonly tokens: ServiceAccountTokens;
}

export function registerReviews(table: SpecialTable, parts: ReviewParts): void {
  const { authorizer, tokens } = parts;
  const review = (answer: (request: RequestInfo, spec: JsonObject) => JsonObject) => ({
    create: async (_request: RequestInfo, resource: Resource, given: KubeObject): Promise<KubeObject> => {
      const object = cloneJson(given);
      checkTypeMeta(resource, object, parts.machinery.resources);
      const status = answer(_request, asObject(object['spec']) ?? {});
      recordReview(parts.machinery, _request, resource, object);
      return { ...object, status };
    },
  });
  table.set(
    'authentication.k8s.io/tokenreviews',
    review((_request, spec) => reviewToken(tokens, spec)),
  );
  table.set('authentication.k8s.io/selfsubjectreviews', {
    create: async (request, resource, given) => {
      const object = cloneJson(given);
      checkTypeMeta(resource, object, parts.machinery.resources);
      return {
        ...object,
        metadata: { creationTimestamp: timestamp(parts.machinery.clock) },
        status: { userInfo: userInfoBody(request.context.user) },
      };
    },
  });
  table.set(
    'authorization.k8s.io/selfsubjectaccessreviews',
    review((request, spec) => reviewAccess(authorizer, request.context.user, spec)),
  );
  table.set(
    'authorization.k8s.io/subjectaccessreviews',
    review((_request, spec) => reviewAccess(authorizer, subjectOf(spec), spec)),
  );
  table.set(
    'authorization.k8s.io/localsubjectaccessreviews',
    review((request, spec) => {
      const attributes = asObject(spec['resourceAttributes']) ?? {};
      const local = { ...spec, resourceAttributes: { ...attributes, namespace: request.namespace } };
      return reviewAccess(authorizer, subjectOf(spec), local);
    }),
  );
  table.set(
    'authorization.k8s.io/selfsubjectrulesreviews',
    review((request, spec) => listRules(authorizer, request.context.user, asString(spec['namespace']))),
  );
  table.set('/serviceaccounts:token', {
    create: async (request, resource, given) => requestToken(parts, request, resource, given),
  });
}

/** Reviews are never stored, yet the answer says who owns the fields of the question. */
function recordReview(machinery: Machinery, request: RequestInfo, resource: Resource, object: KubeObject): void {
  object.metadata ??= {};
  const { manager } = request.context;
  machinery.kinds.recordManager({
    resource,
    subresource: request.subresource,
    before: undefined,
    after: object,
    manager,
    now: timestamp(machinery.clock),
  });
}

function reviewToken(tokens: ServiceAccountTokens, spec: JsonObject): JsonObject {
  const audiences = asArray(spec['audiences']).filter((one) => typeof one === 'string');
  const verified = tokens.verify(asString(spec['token']) ?? '', audiences.length === 0 ? undefined : audiences);
  if ('error' in verified) return { error: `[${verified.error}]`, user: {} };
  return { authenticated: true, user: userInfoBody(verified.user), audiences: verified.audiences };
}

function userInfoBody(user: UserInfo): JsonObject {
  return {
    username: user.username,
    ...(user.uid === undefined || user.uid === '' ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra === undefined || Object.keys(user.extra).length === 0 ? {} : { extra: user.extra }),
  };
}

function subjectOf(spec: JsonObject): UserInfo {
  return {
    username: asString(spec['user']) ?? '',
    groups: asArray(spec['groups']).filter((one) => typeof one === 'string'),
    uid: asString(spec['uid']),
  };
}

function reviewAccess(authorizer: RbacAuthorizer, user: UserInfo, spec: JsonObject): JsonObject {
  const path = asObject(spec['nonResourceAttributes']);
  if (path !== undefined) {
    const allowed = authorizer.allowsPath({
      user,
      verb: asString(path['verb']) ?? '',
      path: asString(path['path']) ?? '',
    });
    return { allowed };
  }
  const given = asObject(spec['resourceAttributes']);
  if (given === undefined) {
    throw invalid({ group: 'authorization.k8s.io', kind: 'SubjectAccessReview' }, '', [
      {
        reason: 'FieldValueInvalid',
        field: 'spec.resourceAttributes',
        message: 'Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
      },
    ]);
  }
  const namespace = asString(given['namespace']);
  const attributes: AuthorizationAttributes = {
    user,
    verb: asString(given['verb']) ?? '',
    group: asString(given['group']) ?? '',
    version: asString(given['version']) ?? '',
    plural: asString(given['resource']) ?? '',
    subresource: asString(given['subresource']),
    namespace: namespace === '' ? undefined : namespace,
    name: asString(given['name']) ?? '',
  };
  const reason = authorizer.deny(attributes);
  if (reason === undefined) return { allowed: true };
  return { allowed: false, ...(reason === '' ? {} : { reason }) };
}

function listRules(authorizer: RbacAuthorizer, user: UserInfo, namespace: string | undefined): JsonObject {
  if (user.groups.includes('system:masters')) {
    return {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false,
    };
  }
  const rules = authorizer.rulesFor(user, namespace);
  return {
    resourceRules: rules
      .filter((rule) => rule.resources.length > 0)
      .map((rule) => ({
        verbs: rule.verbs,
        apiGroups: rule.apiGroups,
        resources: rule.resources,
        ...(rule.resourceNames.length === 0 ? {} : { resourceNames: rule.resourceNames }),
      })),
    nonResourceRules: rules
      .filter((rule) => rule.nonResourceURLs.length > 0)
      .map((rule) => ({ verbs: rule.verbs, nonResourceURLs: rule.nonResourceURLs })),
    incomplete: false,
  };
}

async function requestToken(
  parts: ReviewParts,
  request: RequestInfo,
  resource: Resource,
  given: KubeObject,
): Promise<KubeObject> {
  const { machinery, tokens } = parts;
  const { store } = machinery;
  checkBodyKind(machinery.resources, resource, 'token', given);
  const namespace = request.namespace ?? '';
  const account = store.get(resource.bucket, `${namespace}/${request.name}`);
  if (account === undefined) throw notFound(resource, request.name);
  const spec = asObject(given['spec']) ?? {};
  const seconds = asNumber(spec['expirationSeconds']) ?? TOKEN_SECONDS_DEFAULT;
  if (seconds < TOKEN_SECONDS_MIN) {
    throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [
      {
        reason: 'FieldValueInvalid',
        field: 'spec.expirationSeconds',
        message: `Invalid value: ${seconds}: may not specify a duration less than 10 minutes`,
      },
    ]);
  }
  const wanted = asArray(spec['audiences']).filter((one) => typeof one === 'string');
  const audiences = wanted.length === 0 ? [tokens.issuer] : wanted;
  const bound = boundObject(machinery, namespace, request.name, asObject(spec['boundObjectRef']));
  const { token, expires } = tokens.issue({
    namespace,
    account,
    audiences,
    expirationSeconds: seconds,
    bound: bound?.object,
    node: bound?.node,
  });
  const asked: KubeObject = {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: {},
    spec: { ...(wanted.length === 0 ? {} : { audiences: wanted }), expirationSeconds: seconds },
  };
  recordReview(
    machinery,
    request,
    { ...resource, group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
    asked,
  );
  return {
    ...asked,
    metadata: {
      ...asked.metadata,
      name: request.name,
      namespace,
      uid: account.metadata.uid ?? '',
      creationTimestamp: timestamp(machinery.clock),
    },
    spec: { audiences, expirationSeconds: seconds, boundObjectRef: spec['boundObjectRef'] ?? null },
    status: { token, expirationTimestamp: expires },
  };
}

function boundObject(
  machinery: Machinery,
  namespace: string,
  account: string,
  ref: JsonObject | undefined,
): { object: BoundObject; node: { name: string; uid?: string } | undefined } | undefined {
  if (ref === undefined) return undefined;
  const kind = asString(ref['kind']);
  const name = asString(ref['name']) ?? '';
  if (kind !== 'Pod' && kind !== 'Secret') {
    const { group, version } = splitGroupVersion(asString(ref['apiVersion']) ?? '');
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind ?? ''}`);
  }
  const plural = kind === 'Pod' ? 'pods' : 'secrets';
  const found = machinery.store.get(`/${plural}`, `${namespace}/${name}`);
  if (found === undefined) throw notFound({ group: '', plural }, name);
  const uid = found.metadata.uid ?? '';
  const wantedUid = asString(ref['uid']) ?? '';
  if (wantedUid !== '' && wantedUid !== uid) {
    throw conflict(
      { group: '', plural },
      name,
      `the UID in the bound object reference (${wantedUid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  if (kind === 'Secret') return { object: { kind, name, uid }, node: undefined };
  const owner = asString(memberAt(found, 'spec', 'serviceAccountName'));
  if (owner !== account) {
    throw failure(
      400,
      'BadRequest',
      `cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name.`,
    );
  }
  const nodeName = asString(memberAt(found, 'spec', 'nodeName'));
  const node = nodeName === undefined ? undefined : machinery.store.get('/nodes', nodeName);
  const nodeUid = node?.metadata.uid;
  return {
    object: { kind, name, uid },
    node: nodeName === undefined ? undefined : { name: nodeName, ...(nodeUid === undefined ? {} : { uid: nodeUid }) },
  };
}
