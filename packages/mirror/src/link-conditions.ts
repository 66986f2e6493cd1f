/** What is true of a Link as a whole, as conditions that name the object, the cause and the fix. Pure. */
import { isKubeError } from '@mesh/kube';
import type { Condition, KubeError } from '@mesh/kube';
import type { ProbeFailure } from './gateway-prober.ts';

export interface LinkFacts {
  readonly problems: readonly string[];
  readonly credentials:
    | { readonly ok: true }
    /** `Pending`: nobody has looked yet. */
    | { readonly ok: false; readonly reason: string; readonly message: string };
  readonly hasGateway: boolean;
  /** Something is selected that would go through a gateway. */
  readonly wantsGateway: boolean;
  readonly isProbed: boolean;
  readonly addressProblems: readonly string[];
  readonly addressCount: number;
  readonly gatewayAlive: boolean | undefined;
  readonly probeFailure: { readonly failure: ProbeFailure; readonly detail: string } | undefined;
  readonly gatewayIdentity: string;
  readonly remote:
    | {
        readonly synced: boolean;
        readonly answered: boolean;
        readonly error: KubeError | undefined;
        readonly stalenessMs: number;
      }
    | undefined;
  readonly cluster: string;
}

/** How the mirrors of a Link fare. */
export interface MirrorSummary {
  readonly mirrored: number;
  readonly failed: number;
  /** The first failure, as `namespace/name: message`. */
  readonly firstFailure: string | undefined;
}

export type ConditionType = 'Valid' | 'CredentialsValid' | 'Reachable' | 'GatewayAlive' | 'ServicesMirrored';

/** A condition before it has a transition time. */
export interface Finding {
  readonly type: ConditionType;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

export function findingsOf(facts: LinkFacts, summary: MirrorSummary): readonly Finding[] {
  return [valid(facts), credentials(facts), reachable(facts), gatewayAlive(facts), servicesMirrored(facts, summary)];
}

/** Keeps the transition time of conditions whose status stays. */
export function conditionsFrom(
  findings: readonly Finding[],
  previous: readonly Condition[],
  nowMs: number,
  generation: number | undefined,
): readonly Condition[] {
  return findings.map((finding) => {
    const before = previous.find((condition) => condition.type === finding.type);
    const since = before?.status === finding.status ? before.lastTransitionTime : rfc3339(nowMs);
    return {
      ...finding,
      lastTransitionTime: since,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
}

export function rfc3339(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function finding(type: ConditionType, status: Condition['status'], reason: string, message: string): Finding {
  return { type, status, reason, message };
}

function valid(facts: LinkFacts): Finding {
  if (facts.problems.length === 0) return finding('Valid', 'True', 'Valid', 'the specification is usable');
  return finding('Valid', 'False', 'InvalidSpec', facts.problems.join('; '));
}

function credentials(facts: LinkFacts): Finding {
  const state = facts.credentials;
  if (!state.ok) {
    // What nobody has looked at is neither good nor bad.
    const status = state.reason === 'Pending' ? 'Unknown' : 'False';
    return finding('CredentialsValid', status, state.reason, state.message);
  }
  const error = facts.remote?.error;
  if (isKubeError(error, 'unauthorized')) {
    return finding(
      'CredentialsValid',
      'False',
      'Unauthorized',
      `cluster ${facts.cluster} refuses the token: ${error.message}; generate the Link again there`,
    );
  }
  if (isKubeError(error, 'forbidden')) {
    return finding(
      'CredentialsValid',
      'False',
      'Forbidden',
      `cluster ${facts.cluster} lets this account not read: ${error.message}`,
    );
  }
  if (isKubeError(error, 'config')) return finding('CredentialsValid', 'False', 'MalformedSecret', error.message);
  if (facts.remote?.answered !== true) {
    return finding('CredentialsValid', 'Unknown', 'Pending', `cluster ${facts.cluster} has not answered yet`);
  }
  return finding('CredentialsValid', 'True', 'Accepted', `cluster ${facts.cluster} accepts the credentials`);
}

function reachable(facts: LinkFacts): Finding {
  const { remote, cluster } = facts;
  if (!facts.credentials.ok || remote === undefined) {
    return finding(
      'Reachable',
      'Unknown',
      'NoCredentials',
      'without credentials the peer is not contacted; what was mirrored stays as it is',
    );
  }
  const { error } = remote;
  if (isKubeError(error, 'tls')) {
    return finding('Reachable', 'False', 'UntrustedServer', `${error.message}; what was mirrored stays as it is`);
  }
  if (error !== undefined && !isKubeError(error, 'unauthorized', 'forbidden')) {
    return finding(
      'Reachable',
      'False',
      'Unreachable',
      `${error.message}; check network and server address in the Secret; what was mirrored stays as it is`,
    );
  }
  if (!remote.answered && error === undefined)
    return finding('Reachable', 'Unknown', 'Pending', `connecting to cluster ${cluster}`);
  if (error === undefined && !remote.synced)
    return finding('Reachable', 'True', 'Syncing', `reading the exports of cluster ${cluster}`);
  return finding('Reachable', 'True', 'Connected', `the API of cluster ${cluster} answers`);
}

function gatewayAlive(facts: LinkFacts): Finding {
  if (!facts.hasGateway) {
    if (!facts.wantsGateway)
      return finding(
        'GatewayAlive',
        'Unknown',
        'NoGateway',
        'the Link has no gateway and selects nothing that needs one',
      );
    const message =
      'spec.gatewayAddress is empty or unusable, so mirrors have no endpoints: give the gateway Service there an address and generate the Link again';
    return finding('GatewayAlive', 'False', 'NoGatewayAddress', message);
  }
  if (facts.addressCount === 0) {
    return finding(
      'GatewayAlive',
      'False',
      'NoGatewayAddress',
      facts.addressProblems.join('; ') || 'the gateway address is being looked up',
    );
  }
  if (!facts.isProbed)
    return finding('GatewayAlive', 'Unknown', 'NotProbed', 'spec.probeSpec.path is empty: the gateway counts as alive');
  const failure = facts.probeFailure;
  if (facts.gatewayAlive === true) {
    const partly = failure === undefined ? '' : `; not all of its addresses: ${failure.detail}`;
    return finding('GatewayAlive', 'True', 'ProbeSucceeded', `the gateway answers${partly}`);
  }
  if (failure === undefined) return finding('GatewayAlive', 'Unknown', 'Pending', 'the first probe is under way');
  const status = facts.gatewayAlive === false ? 'False' : 'Unknown';
  return finding('GatewayAlive', status, REASONS[failure.failure], `${failure.detail}${ADVICE[failure.failure] ?? ''}`);
}

const REASONS: Readonly<Record<ProbeFailure, string>> = {
  refused: 'ConnectionRefused',
  timeout: 'Timeout',
  tls: 'UntrustedGateway',
  identity: 'WrongIdentity',
  status: 'NotReady',
  protocol: 'BadAnswer',
  no_identity: 'NoIdentity',
  failed: 'ProbeFailed',
};

const ADVICE: Readonly<Partial<Record<ProbeFailure, string>>> = {
  refused: ': nothing listens there; is the gateway running, and is spec.probeSpec.port right?',
  timeout: ': is the address reachable from here (firewall, load balancer)?',
  tls: ': mTLS failed; both clusters need a common trust anchor that has not expired. Compare mesh check of both, or exchange their anchors',
  identity:
    ': copy the annotation mirror.linkerd.io/gateway-identity of the gateway Service there into spec.gatewayIdentity',
};

function servicesMirrored(facts: LinkFacts, summary: MirrorSummary): Finding {
  const { mirrored, failed, firstFailure } = summary;
  if (failed > 0) {
    return finding(
      'ServicesMirrored',
      'False',
      'Incomplete',
      `${failed} of ${mirrored + failed} Services are not mirrored, first ${firstFailure ?? ''}`,
    );
  }
  if (facts.remote?.synced !== true) {
    return finding('ServicesMirrored', 'Unknown', 'NotSynced', `the exports of cluster ${facts.cluster} are not known`);
  }
  return finding('ServicesMirrored', 'True', 'Complete', `${mirrored} Services are mirrored`);
}
