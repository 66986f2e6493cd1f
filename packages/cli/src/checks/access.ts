/** Asks the API server who may do what: the truth, however roles are cut. */
import type { KubeClient } from '@mesh/kube';
import { SkipCheck } from './check.ts';

export interface Access {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  readonly namespace?: string;
  readonly subresource?: string;
}

/** May we? @throws Error with the server's reason when not. */
export async function assertAllowed(client: KubeClient, access: Access): Promise<void> {
  const review = await ask(client, 'SelfSubjectAccessReview', { resourceAttributes: access });
  if (typeof review === 'number') throw new Error(`the API server answered ${review} to a SelfSubjectAccessReview`);
  if (review.allowed === true) return;
  const why = review.reason ?? '';
  const where = access.namespace === undefined ? '' : ` in namespace ${access.namespace}`;
  throw new Error(`missing permissions to ${describe(access)}${where}${why === '' ? '' : `: ${why}`}`);
}

/**
 * What a service account lacks, as "verb resource".
 * @throws SkipCheck when we may not ask on behalf of others.
 */
export async function deniedTo(
  client: KubeClient,
  account: { readonly namespace: string; readonly name: string },
  wanted: readonly Access[],
): Promise<readonly string[]> {
  const denied: string[] = [];
  for (const access of wanted) {
    const review = await ask(client, 'SubjectAccessReview', {
      user: `system:serviceaccount:${account.namespace}:${account.name}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`, 'system:authenticated'],
      resourceAttributes: access,
    });
    if (typeof review === 'number') throw new SkipCheck();
    if (review.allowed !== true)
      denied.push(`${describe(access)}${access.namespace === undefined ? '' : ` in ${access.namespace}`}`);
  }
  return denied;
}

function describe({ verb, resource, subresource }: Access): string {
  return `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`;
}

interface Review {
  readonly allowed?: boolean;
  readonly reason?: string;
}

/** The review's status, or the HTTP status of a refusal. */
async function ask(
  client: KubeClient,
  kind: 'SelfSubjectAccessReview' | 'SubjectAccessReview',
  spec: Readonly<Record<string, unknown>>,
): Promise<Review | number> {
  const { status, text } = await client.raw(`/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`, {
    method: 'POST',
    body: { apiVersion: 'authorization.k8s.io/v1', kind, spec },
  });
  if (status >= 300) return status;
  return (JSON.parse(text) as { readonly status?: Review }).status ?? {};
}
