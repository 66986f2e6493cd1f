/** The gRPC face of the certificate authority: Certify. */
import { isKubeError, TOKEN_REVIEWS } from '@mesh/kube';
import type { KubeClient, KubeObject, TokenReview } from '@mesh/kube';
import { checkValidity, isPkiError, issueLeaf } from '@mesh/pki';
import type { Authority, Certificate } from '@mesh/pki';
import { identity } from '@mesh/proxy-api';
import type { Clock, Logger } from '@mesh/runtime';
import { messageOf } from '@mesh/runtime';

import { serviceDefinition, status } from '../serving/call.ts';
import type { StatusDetails, UnaryHandler } from '../serving/call.ts';
import type { GrpcService } from '../serving/grpc-server.ts';
import { checkRequest, decide, TOKEN_AUDIENCE } from './certify.ts';
import type { MeshNames } from './certify.ts';

export interface CertifyDeps {
  readonly mesh: MeshNames;
  readonly lifetimeMs: number;
  readonly skewMs: number;
  readonly client: KubeClient;
  /** Undefined while no valid issuer is loaded. */
  readonly issuer: () => Authority | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after each certificate, with the service account that it is for. */
  readonly onIssued: (serviceAccount: KubeObject, certificate: Certificate) => void;
  readonly onResult: (code: status) => void;
}

type Outcome =
  | { readonly ok: true; readonly response: identity.CertifyResponse }
  | { readonly ok: false; readonly error: StatusDetails };

/** Anybody may ask, and each question costs the API server a review: this bounds what strangers can make it do. */
const IN_FLIGHT_MAX = 200;

export function identityService(deps: CertifyDeps): GrpcService {
  let inFlight = 0;
  const admit = async (message: identity.CertifyRequest): Promise<Outcome> => {
    if (inFlight >= IN_FLIGHT_MAX) {
      return {
        ok: false,
        error: { code: status.RESOURCE_EXHAUSTED, details: `${IN_FLIGHT_MAX} requests are being decided; try again` },
      };
    }
    inFlight += 1;
    try {
      return await certifyOne(message, deps);
    } finally {
      inFlight -= 1;
    }
  };
  const certify: UnaryHandler<identity.CertifyRequest, identity.CertifyResponse> = (call, callback) => {
    admit(call.request)
      .catch((error: unknown): Outcome => {
        deps.logger.error('certify failed', { error });
        return { ok: false, error: { code: status.INTERNAL, details: messageOf(error) } };
      })
      .then((outcome) => {
        if (outcome.ok) {
          deps.onResult(status.OK);
          callback(null, outcome.response);
          return;
        }
        deps.onResult(outcome.error.code);
        deps.logger.info('certificate refused', { code: status[outcome.error.code], reason: outcome.error.details });
        callback(outcome.error);
      })
      .catch((error: unknown) => deps.logger.error('certify answer failed', { error }));
  };
  return { definition: serviceDefinition(identity.IdentityDefinition), handlers: { certify } };
}

async function certifyOne(message: identity.CertifyRequest, deps: CertifyDeps): Promise<Outcome> {
  const checked = await checkRequest(message);
  if (!checked.ok) return checked;
  const issuer = deps.issuer();
  if (issuer === undefined) {
    return {
      ok: false,
      error: {
        code: status.UNAVAILABLE,
        details: 'no valid issuer certificate is loaded; see the log of the identity service',
      },
    };
  }
  try {
    // It was good when it was loaded; that may be long ago.
    for (const certificate of issuer.chain) checkValidity(certificate, deps.clock.now());
  } catch (error) {
    if (!isPkiError(error)) throw error;
    return { ok: false, error: { code: status.UNAVAILABLE, details: error.message } };
  }
  const review = await reviewToken(checked.token, deps.client);
  const decision = decide(checked.identity, review, deps.mesh);
  if (!decision.ok) return decision;
  const leaf = await issueLeaf(issuer, checked.request, {
    lifetimeMs: deps.lifetimeMs,
    skewMs: deps.skewMs,
    clock: deps.clock,
  });
  const { workload, serviceAccountUid } = decision;
  deps.onIssued(
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: {
        name: workload.serviceAccount,
        namespace: workload.namespace,
        ...(serviceAccountUid === '' ? {} : { uid: serviceAccountUid }),
      },
    },
    leaf,
  );
  return {
    ok: true,
    response: {
      leafCertificate: leaf.der,
      intermediateCertificates: issuer.chain.map((one) => one.der),
      validUntil: new Date(leaf.notAfterMs),
    },
  };
}

/** Asks the API server whose token it is. Servers that know no audiences are asked again without. */
export async function reviewToken(token: string, client: KubeClient): Promise<TokenReview> {
  const ask = (audiences: readonly string[] | undefined): Promise<TokenReview> =>
    client.create(TOKEN_REVIEWS, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: { name: '' },
      spec: { token, ...(audiences === undefined ? {} : { audiences }) },
    });
  try {
    const review = await ask([TOKEN_AUDIENCE]);
    return review.status?.error?.includes('token audiences') === true ? await ask(undefined) : review;
  } catch (error) {
    if (isKubeError(error) && error.message.includes('token audiences')) return ask(undefined);
    throw error;
  }
}
