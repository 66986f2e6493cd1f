/** Who gets a certificate: the decision, apart from the token review, without I/O. */
import { status } from '@grpc/grpc-js';
import type { TokenReview } from '@mesh/kube';
import { formatWorkloadIdentity, isDnsName } from '@mesh/model';
import type { WorkloadIdentity } from '@mesh/model';
import type { CertificateRequest } from '@mesh/pki';
import { isPkiError, parseRequest } from '@mesh/pki';
import type { identity } from '@mesh/proxy-api';

import type { StatusDetails } from '../serving/call.ts';

/** The audience of the tokens that workloads trade for certificates. */
export const TOKEN_AUDIENCE = 'identity.l5d.io';

export interface MeshNames {
  readonly controlPlaneNamespace: string;
  readonly trustDomain: string;
}

export type Checked =
  | { readonly ok: true; readonly identity: string; readonly token: string; readonly request: CertificateRequest }
  | { readonly ok: false; readonly error: StatusDetails };

export type Decision =
  | { readonly ok: true; readonly workload: WorkloadIdentity; readonly serviceAccountUid: string }
  | { readonly ok: false; readonly error: StatusDetails };

/** Everything that can be judged before asking who the token belongs to. */
export async function checkRequest(message: identity.CertifyRequest): Promise<Checked> {
  const { identity: name } = message;
  if (name === '') return invalid('identity is empty');
  if (!isDnsName(name)) return invalid(`identity "${printable(name)}" is not a DNS name in lower case`);
  if (message.token.length === 0) return invalid('token is empty');
  if (message.certificateSigningRequest.length === 0) return invalid('certificate_signing_request is empty');
  let request: CertificateRequest;
  try {
    request = await parseRequest(message.certificateSigningRequest);
  } catch (error) {
    if (!isPkiError(error)) throw error;
    return invalid(error.message);
  }
  if (request.publicKey.asymmetricKeyType !== 'ec') {
    return invalid(
      `the request's key is ${request.publicKey.asymmetricKeyType ?? 'of an unknown kind'}; use ECDSA on P-256`,
    );
  }
  const mismatch = requestMismatch(request, name);
  if (mismatch !== undefined) return refused(mismatch);
  return { ok: true, identity: name, token: Buffer.from(message.token).toString('utf8').trim(), request };
}

/** Whether the reviewed token is that of the workload that the certificate would name. */
export function decide(name: string, review: TokenReview, mesh: MeshNames): Decision {
  const { status: result } = review;
  if (result?.authenticated !== true) {
    const reason = result?.error === undefined || result.error === '' ? '' : `: ${result.error}`;
    return refused(`the API server does not accept the token${reason}`);
  }
  if (result.audiences !== undefined && result.audiences.length > 0 && !result.audiences.includes(TOKEN_AUDIENCE)) {
    return refused(`the token is for ${result.audiences.join(', ')}, not for ${TOKEN_AUDIENCE}`);
  }
  const username = result.user?.username ?? '';
  const [system, kind, namespace = '', serviceAccount = '', ...rest] = username.split(':');
  if (
    system !== 'system' ||
    kind !== 'serviceaccount' ||
    rest.length > 0 ||
    !isLabel(namespace) ||
    !isDnsName(serviceAccount)
  ) {
    return refused(`the token belongs to "${printable(username)}", which is not a service account`);
  }
  const workload = { serviceAccount, namespace, ...mesh };
  const expected = formatWorkloadIdentity(workload);
  if (expected !== name) return refused(`the token is that of ${expected}, not of ${name}`);
  return { ok: true, workload, serviceAccountUid: result.user?.uid ?? '' };
}

function requestMismatch(request: CertificateRequest, name: string): string | undefined {
  const { dnsNames, uris, otherNames, commonName } = request;
  if (otherNames.length > 0 || uris.length > 0)
    return 'the request names more than one DNS name: URIs, addresses and e-mail are not issued';
  if (dnsNames.length !== 1 || dnsNames[0] !== name) {
    return `the request's DNS names are [${dnsNames.map(printable).join(', ')}]; exactly "${name}" was expected`;
  }
  if (commonName !== '' && commonName !== name)
    return `the request's common name is "${printable(commonName)}", not "${name}"`;
  return undefined;
}

function isLabel(text: string): boolean {
  return isDnsName(text) && !text.includes('.');
}

function invalid(details: string): { readonly ok: false; readonly error: StatusDetails } {
  return { ok: false, error: { code: status.INVALID_ARGUMENT, details } };
}

function refused(details: string): { readonly ok: false; readonly error: StatusDetails } {
  return { ok: false, error: { code: status.FAILED_PRECONDITION, details } };
}

/** A peer's text, fit for a message: printable ASCII, not too long. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 253);
}
