/** What is true of a Link as a whole, as conditions that name the object, the cause and the fix. Pure. */
import { isKubeError } from '@mesh/kube';
import type { Condition } from '@mesh/kube';
import { exporterFindings, exportsSeen } from './exporter-conditions.ts';
import type { ProbeFailure } from './gateway-prober.ts';
import { finding, rfc3339 } from './link-facts.ts';
import type { Finding, LinkFacts, MirrorSummary } from './link-facts.ts';

export function findingsOf(facts: LinkFacts, summary: MirrorSummary): readonly Finding[] {
  return [
    valid(facts),
    credentials(facts),
    reachable(facts),
    gatewayAlive(facts),
    ...exporterFindings(facts),
    exportsSeen(facts),
    servicesMirrored(facts, summary),
  ];
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
      `cluster ${facts.cluster} refuses the token: ${error.message}; generate the Link again there with mesh multicluster link, and apply its output here`,
    );
  }
  if (isKubeError(error, 'forbidden')) {
    return finding(
      'CredentialsValid',
      'False',
      'Forbidden',
      `cluster ${facts.cluster} lets this account not read what the Link asks for: ${error.message}; apply the output of mesh multicluster allow there again`,
    );
  }
  if (isKubeError(error, 'config')) return finding('CredentialsValid', 'False', 'MalformedSecret', error.message);
  if (facts.remote?.answered !== true) {
    return finding('CredentialsValid', 'Unknown', 'Pending', `cluster ${facts.cluster} has not answered yet`);
  }
  return acceptedCredentials(facts, state.token);
}

function acceptedCredentials(
  { cluster, renewal }: LinkFacts,
  token: { readonly expiresMs: number | undefined } | undefined,
): Finding {
  const accepted = `cluster ${cluster} accepts the credentials`;
  if (token === undefined) return finding('CredentialsValid', 'True', 'Accepted', accepted);
  if (token.expiresMs === undefined) {
    return finding(
      'CredentialsValid',
      'True',
      'Static',
      `${accepted}; the token does not expire. Short-lived ones, renewed by themselves, come with mesh multicluster link without --static-credentials`,
    );
  }
  const until = `${accepted} until ${rfc3339(token.expiresMs)}`;
  if (renewal === undefined)
    return finding('CredentialsValid', 'True', 'Accepted', `${until}, and they are renewed before`);
  if ('problem' in renewal)
    return finding(
      'CredentialsValid',
      'True',
      'RenewalFailing',
      `${until}, but renewing them fails: ${renewal.problem}`,
    );
  return finding('CredentialsValid', 'True', 'Renewed', `${until}; renewed at ${rfc3339(renewal.atMs)}`);
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
    return finding(
      'Reachable',
      'False',
      'UntrustedServer',
      `${error.message}; if cluster ${cluster} was made anew or has a new authority, generate the Link again there with mesh multicluster link, and apply its output here; what was mirrored stays as it is`,
    );
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
  if (facts.gatewayAlive === true)
    return finding('GatewayAlive', 'True', 'ProbeSucceeded', `the gateway answers at ${eachAddress(facts)}`);
  if (failure === undefined) return finding('GatewayAlive', 'Unknown', 'Pending', 'the first probe is under way');
  const status = facts.gatewayAlive === false ? 'False' : 'Unknown';
  const others = facts.addressCount > 1 ? `; ${eachAddress(facts)}` : '';
  const message = `${failure.detail}${ADVICE[failure.failure] ?? ''}${others}`;
  return finding('GatewayAlive', status, REASONS[failure.failure], message);
}

/** Addresses beyond these are counted: a message has to stay readable. */
const ADDRESSES_MAX = 16;

/** `192.0.2.1, 192.0.2.2 (in zone b; not alive: connection refused)`. */
function eachAddress({ gatewayAddresses }: LinkFacts): string {
  const texts = gatewayAddresses.slice(0, ADDRESSES_MAX).map(({ ip, zone, alive, failure }) => {
    const verdict = alive === undefined ? 'not known yet' : 'not alive';
    const state = `${verdict}${failure === undefined ? '' : `: ${failure}`}`;
    const words = [...(zone === undefined ? [] : [`in zone ${zone}`]), ...(alive === true ? [] : [state])];
    return words.length === 0 ? ip : `${ip} (${words.join('; ')})`;
  });
  const more = gatewayAddresses.length - texts.length;
  return `${texts.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
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
