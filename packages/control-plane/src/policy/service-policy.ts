/**
 * What a Service's annotations say about retries, timeouts, failure accrual and load, and what is wrong with them.
 *
 * An annotation that cannot be used counts as absent: traffic goes on by the rest of the policy, and the problem is told.
 */
import { backoff, conditionsOfGrpc, conditionsOfHttp, RETRY_BODY_BYTES_MAX } from './retry-conditions.ts';
import { editDistance, parseDurationMs } from '@mesh/runtime';
import { durationFromMs } from '@mesh/proxy-api';
import type { Service } from '@mesh/kube';
import type { Duration, httpRoute, outbound } from '@mesh/proxy-api';

/** One sentence per annotation that cannot be used: its name, its value, and what to write instead. */
export type AnnotationProblem = string;

export interface ServicePolicy {
  readonly httpRetry: outbound.HttpRoute_Retry | undefined;
  readonly grpcRetry: outbound.GrpcRoute_Retry | undefined;
  readonly timeouts: httpRoute.Timeouts | undefined;
  readonly failureAccrual: outbound.FailureAccrual | undefined;
  readonly load: NonNullable<outbound.Backend_BalanceP2c['load']>;
  readonly problems: readonly AnnotationProblem[];
}

/** KEP-3726's name for HTTP/2 without TLS. */
export const H2C = 'kubernetes.io/h2c';

type Annotations = Readonly<Record<string, string>>;

const RETRY = 'retry.linkerd.io/';
const TIMEOUT = 'timeout.linkerd.io/';
const BALANCER = 'balancer.linkerd.io/';
const BALANCER_ALPHA = 'balancer.alpha.linkerd.io/';
const ACCRUAL = `${BALANCER}failure-accrual`;

const KNOWN: readonly string[] = [
  ...['http', 'grpc', 'limit', 'timeout'].map((name) => RETRY + name),
  ...['request', 'response', 'idle'].map((name) => TIMEOUT + name),
  ACCRUAL,
  ...['max-failures', 'min-penalty', 'max-penalty', 'jitter-ratio'].map((name) => `${ACCRUAL}-consecutive-${name}`),
  ...['threshold', 'window', 'min-requests'].map((name) => `${BALANCER_ALPHA}failure-accrual-success-rate-${name}`),
  ...[
    'failure-accrual-honor-retry-after',
    'penalize-failures',
    'load-biaser-penalty',
    'load-biaser-max-retry-after',
  ].map((name) => BALANCER_ALPHA + name),
];

/** Linkerd's defaults. */
const DEFAULT_RTT_MS = 30;
const DECAY_MS = 10_000;
const PENALTY_MS = 5_000;
const RETRY_AFTER_MAX_MS = 300_000;
const RETRY_LIMIT = 1;
const MAX_FAILURES = 7;
const MIN_PENALTY_MS = 1_000;
const MAX_PENALTY_MS = 60_000;
const JITTER_RATIO = 0.5;
const SUCCESS_RATE = 0.8;
const WINDOW_MS = 10_000;
const WINDOW_MIN_MS = 10;
const MIN_REQUESTS = 5;
const MIN_REQUESTS_MAX = 1_000_000;
const UINT16_MAX = 65_535;
const UINT32_MAX = 0xffff_ffff;

export function readServicePolicy(annotations: Annotations): ServicePolicy {
  const reader = new AnnotationReader(annotations);
  const retries = readRetries(reader);
  const timeouts = readTimeouts(reader);
  const failureAccrual = readAccrual(reader);
  const load = readLoad(reader);
  reader.findMisspelt();
  return { ...retries, timeouts, failureAccrual, load, problems: reader.problems };
}

/** All problems of a Service's annotations, those included that come from the ports beside them. */
export function annotationProblems(service: Service): readonly AnnotationProblem[] {
  const { annotations } = service.metadata;
  if (!hasPolicyAnnotations(annotations)) return [];
  const policy = readServicePolicy(annotations ?? {});
  if (policy.grpcRetry === undefined) return policy.problems;
  const ports = service.spec?.ports ?? [];
  const grpcPort = ports.some((port) => port.appProtocol === H2C) && policy.httpRetry === undefined;
  if (grpcPort) return policy.problems;
  const why = `needs a port with appProtocol ${H2C} and no ${RETRY}http beside it`;
  return [...policy.problems, `annotation ${RETRY}grpc has no effect: it ${why}`];
}

/** Cheap: most Services have none. */
export function hasPolicyAnnotations(annotations: Annotations | undefined): boolean {
  for (const name in annotations) if (isOurs(name)) return true;
  return false;
}

function readRetries(reader: AnnotationReader): Pick<ServicePolicy, 'httpRetry' | 'grpcRetry'> {
  const http = reader.read(
    `${RETRY}http`,
    conditionsOfHttp,
    'statuses: 5xx, gateway-error, 503 or 500-504, separated by commas',
  );
  const grpc = reader.read(
    `${RETRY}grpc`,
    conditionsOfGrpc,
    'cancelled, deadline-exceeded, internal, resource-exhausted or unavailable, separated by commas',
  );
  const maxRetries =
    reader.read(`${RETRY}limit`, integer(0, UINT16_MAX), 'a whole number from 0 to 65535') ?? RETRY_LIMIT;
  const timeoutMs = reader.duration(`${RETRY}timeout`);
  if (!reader.has(`${RETRY}http`) && !reader.has(`${RETRY}grpc`))
    for (const name of ['limit', 'timeout'])
      reader.noEffect(RETRY + name, `without ${RETRY}http or ${RETRY}grpc; set one of them, for instance to 5xx`);
  const common = {
    maxRetries,
    maxRequestBytes: RETRY_BODY_BYTES_MAX,
    timeout: orNone(timeoutMs),
    backoff: backoff(),
  };
  const wanted = maxRetries > 0;
  return {
    httpRetry: http !== undefined && wanted ? { ...common, conditions: http } : undefined,
    grpcRetry: grpc !== undefined && wanted ? { ...common, conditions: grpc } : undefined,
  };
}

function readTimeouts(reader: AnnotationReader): httpRoute.Timeouts | undefined {
  const timeouts = {
    request: orNone(reader.duration(`${TIMEOUT}request`)),
    response: orNone(reader.duration(`${TIMEOUT}response`)),
    idle: orNone(reader.duration(`${TIMEOUT}idle`)),
  };
  return Object.values(timeouts).every((one) => one === undefined) ? undefined : timeouts;
}

function readAccrual(reader: AnnotationReader): outbound.FailureAccrual | undefined {
  const mode = reader.read(
    ACCRUAL,
    (text) => (text === 'consecutive' || text === 'unified' ? text : undefined),
    'consecutive or unified',
  );
  const maxFailures =
    reader.read(`${ACCRUAL}-consecutive-max-failures`, integer(0, UINT32_MAX), 'a whole number') ?? MAX_FAILURES;
  const penalties = readPenalties(reader);
  const threshold =
    reader.read(`${BALANCER_ALPHA}failure-accrual-success-rate-threshold`, decimal(0, 1), 'a number from 0 to 1') ??
    SUCCESS_RATE;
  const windowMs = reader.duration(`${BALANCER_ALPHA}failure-accrual-success-rate-window`, WINDOW_MIN_MS) ?? WINDOW_MS;
  const minRequests =
    reader.read(
      `${BALANCER_ALPHA}failure-accrual-success-rate-min-requests`,
      integer(0, MIN_REQUESTS_MAX),
      'a whole number up to 1000000',
    ) ?? MIN_REQUESTS;
  if (mode === undefined) {
    if (!reader.has(ACCRUAL)) reader.noEffectOfPrefix(`${ACCRUAL}-`, `without ${ACCRUAL}; set that to consecutive`);
    return undefined;
  }
  if (mode === 'consecutive') {
    reader.noEffectOfPrefix(`${BALANCER_ALPHA}failure-accrual-success-rate-`, `unless ${ACCRUAL} is unified`);
    if (maxFailures === 0) return undefined;
    return { kind: { $case: 'consecutiveFailures', value: { maxFailures, backoff: penalties } }, ejection: undefined };
  }
  return {
    kind: {
      $case: 'unified',
      value: {
        successRateThreshold: threshold,
        decay: durationFromMs(windowMs),
        minRequests,
        maxConsecutiveFailures: maxFailures,
        backoff: penalties,
      },
    },
    ejection: undefined,
  };
}

function readPenalties(reader: AnnotationReader): outbound.ExponentialBackoff {
  const minName = `${ACCRUAL}-consecutive-min-penalty`;
  const maxName = `${ACCRUAL}-consecutive-max-penalty`;
  let minMs = reader.duration(minName) ?? MIN_PENALTY_MS;
  let maxMs = reader.duration(maxName, 1) ?? MAX_PENALTY_MS;
  if (minMs > maxMs) {
    const name = reader.has(minName) ? minName : maxName;
    reader.problem(
      name,
      `: the minimum penalty (${minMs} ms) is above the maximum (${maxMs} ms); swap ${minName} and ${maxName} or leave one out`,
    );
    [minMs, maxMs] = [MIN_PENALTY_MS, MAX_PENALTY_MS];
  }
  return {
    minBackoff: durationFromMs(minMs),
    maxBackoff: durationFromMs(maxMs),
    jitterRatio:
      reader.read(`${ACCRUAL}-consecutive-jitter-ratio`, decimal(0, 100), 'a number from 0 to 100') ?? JITTER_RATIO,
    respectRetryAfterHint:
      reader.read(`${BALANCER_ALPHA}failure-accrual-honor-retry-after`, switchWord, 'true or false') ?? false,
  };
}

function readLoad(reader: AnnotationReader): ServicePolicy['load'] {
  const penalize = reader.read(`${BALANCER_ALPHA}penalize-failures`, switchWord, 'true or false') ?? false;
  const penaltyMs = reader.duration(`${BALANCER_ALPHA}load-biaser-penalty`) ?? PENALTY_MS;
  const maxRetryAfterMs = reader.duration(`${BALANCER_ALPHA}load-biaser-max-retry-after`) ?? RETRY_AFTER_MAX_MS;
  const common = { defaultRtt: durationFromMs(DEFAULT_RTT_MS), decay: durationFromMs(DECAY_MS) };
  if (!penalize) {
    reader.noEffectOfPrefix(`${BALANCER_ALPHA}load-biaser-`, `unless ${BALANCER_ALPHA}penalize-failures is true`);
    return { $case: 'peakEwma', value: common };
  }
  return {
    $case: 'penaltyPeakEwma',
    value: {
      ...common,
      penalty: durationFromMs(penaltyMs),
      maxRetryAfter: durationFromMs(maxRetryAfterMs),
      penaltyDecay: durationFromMs(DECAY_MS),
    },
  };
}

/** Reads values and keeps a list of what is wrong with them. */
class AnnotationReader {
  readonly problems: AnnotationProblem[] = [];
  readonly #annotations: Annotations;

  constructor(annotations: Annotations) {
    this.#annotations = annotations;
  }

  has(name: string): boolean {
    return this.#annotations[name] !== undefined;
  }

  /** @param parse undefined: the text cannot be used. @param words What it takes; follows "write". */
  read<T>(name: string, parse: (text: string) => T | undefined, words: string): T | undefined {
    const text = this.#annotations[name];
    if (text === undefined) return undefined;
    const value = parse(text.trim());
    if (value === undefined) this.problem(name, `: write ${words}`);
    return value;
  }

  duration(name: string, minMs = 0): number | undefined {
    const parse = (text: string): number | undefined => {
      const ms = parseDurationMs(text);
      return ms === undefined || ms < minMs ? undefined : ms;
    };
    const least = minMs > 0 ? `, at least ${minMs}ms` : '';
    return this.read(name, parse, `a duration such as 250ms, 10s or 5m${least}`);
  }

  noEffect(name: string, why: string): void {
    if (this.has(name)) this.problem(name, ` has no effect ${why}`);
  }

  noEffectOfPrefix(prefix: string, why: string): void {
    for (const name of KNOWN) if (name.startsWith(prefix)) this.noEffect(name, why);
  }

  problem(name: string, text: string): void {
    this.problems.push(`annotation ${name}=${JSON.stringify((this.#annotations[name] ?? '').slice(0, 100))}${text}`);
  }

  findMisspelt(): void {
    for (const name of Object.keys(this.#annotations)) {
      if (!isOurs(name) || KNOWN.includes(name)) continue;
      const [nearest] = KNOWN.map((known) => ({ known, distance: editDistance(name, known) })).toSorted(
        (a, b) => a.distance - b.distance,
      );
      const near = nearest !== undefined && nearest.distance <= 4 ? `; did you mean ${nearest.known}?` : '; remove it';
      this.problem(name.slice(0, 200), ` is not known and has no effect${near}`);
    }
  }
}

function isOurs(name: string): boolean {
  return [RETRY, TIMEOUT, BALANCER, BALANCER_ALPHA].some((prefix) => name.startsWith(prefix));
}

function integer(min: number, max: number): (text: string) => number | undefined {
  return (text) => (/^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined);
}

function decimal(min: number, max: number): (text: string) => number | undefined {
  return (text) =>
    /^\d{1,10}(\.\d{1,10})?$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined;
}

function switchWord(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

/** Zero means no limit (GEP-1742). */
function orNone(ms: number | undefined): Duration | undefined {
  return ms === undefined || ms === 0 ? undefined : durationFromMs(ms);
}

/** A Service without any of these annotations. */
export const PLAIN_SERVICE_POLICY: ServicePolicy = readServicePolicy({});
