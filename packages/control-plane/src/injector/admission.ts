/** AdmissionReview (admission.k8s.io/v1) in, AdmissionReview out. Pure but for what the callbacks note. */
import type { EventNote, Namespace, Pod, Service } from '@mesh/kube';

import { ownerOf } from '../workload.ts';
import { annotationAt } from './decision.ts';
import type { AnnotationAt, SkipReason } from './decision.ts';
import { patchPod, patchService } from './inject.ts';
import type { InjectionContext, PodPatch } from './inject.ts';
import type { PatchOperation } from './json-patch.ts';

export interface AdmissionRequest {
  readonly uid: string;
  readonly kind: { readonly group?: string; readonly version?: string; readonly kind: string };
  readonly namespace?: string;
  readonly name?: string;
  readonly operation?: string;
  readonly object?: unknown;
  readonly dryRun?: boolean;
}

export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  /** Why not. */
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly patchType?: 'JSONPatch';
  /** Base64. */
  readonly patch?: string;
  readonly warnings?: readonly string[];
}

export interface AdmissionDeps {
  /** Throws while the configuration has not been read: pods then start without a sidecar, or not, as the webhook's failure policy says. */
  readonly context: (namespace: {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  }) => InjectionContext;
  /** As it is now: a pod often follows its new or newly annotated namespace within milliseconds. */
  readonly namespace: (name: string) => Promise<Namespace | undefined>;
  readonly onOutcome: (outcome: AdmissionOutcome) => void;
}

/** Linkerd's reasons, and ours for a pod that must not start. */
export type OutcomeReason = SkipReason | 'invalid_annotation';

export interface AdmissionOutcome {
  readonly namespace: string;
  /** `deployment`, `statefulset`, `job`, `pod`, …; `service` for Services. */
  readonly ownerKind: string;
  readonly annotationAt: AnnotationAt;
  /** Undefined when the object was changed, or needed no change. */
  readonly skipReason: OutcomeReason | undefined;
  /** Set when there is something to tell: which pod it concerns and what to say about it. */
  readonly told: { readonly pod: Pod; readonly notes: readonly EventNote[] } | undefined;
}

interface Answer {
  readonly operations?: readonly PatchOperation[];
  readonly warnings?: readonly string[];
  readonly denied?: string;
}

/** The API server cuts longer warnings off (KEP-1693). */
const WARNING_CHARACTERS_MAX = 256;

/** Rejects when `review` is no AdmissionReview request; the text goes to the caller. */
export async function reviewAdmission(review: unknown, deps: AdmissionDeps): Promise<object> {
  const request = requestOf(review);
  const namespaceName = request.namespace ?? 'default';
  const namespace = (await deps.namespace(namespaceName)) ?? { metadata: { name: namespaceName } };
  const response = responseOf(request.uid, answerFor(request, namespace, deps));
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
}

function answerFor(request: AdmissionRequest, namespace: Namespace, deps: AdmissionDeps): Answer {
  switch (request.kind.kind) {
    case 'Pod':
      return answerForPod(request, namespace, deps);
    case 'Service': {
      deps.onOutcome({
        namespace: namespace.metadata.name,
        ownerKind: 'service',
        annotationAt: '',
        skipReason: undefined,
        told: undefined,
      });
      return { operations: patchService(request.object as Service, namespace) };
    }
    default:
      return {};
  }
}

function answerForPod(request: AdmissionRequest, namespace: Namespace, deps: AdmissionDeps): Answer {
  const pod = podOf(request.object);
  const { name } = namespace.metadata;
  const annotations = namespace.metadata.annotations ?? {};
  const patch = patchPod(pod, deps.context({ name, annotations }));
  const owner = ownerOf(pod)?.label ?? 'pod';
  const notes = notesOf(patch);
  deps.onOutcome({
    namespace: name,
    ownerKind: owner === 'k8s_job' ? 'job' : owner,
    annotationAt: annotationAt(pod, annotations),
    skipReason: patch.kind === 'patch' ? undefined : patch.kind === 'refused' ? 'invalid_annotation' : patch.reason,
    // A dry run leaves no trace.
    told:
      request.dryRun === true || notes.length === 0
        ? undefined
        : { pod: { ...pod, metadata: { ...pod.metadata, namespace: name } }, notes },
  });
  switch (patch.kind) {
    case 'patch':
      return patch;
    case 'refused':
      return { denied: patch.message };
    case 'skipped':
      return patch.tone === 'warning' ? { warnings: [patch.message] } : {};
    default:
      return patch satisfies never;
  }
}

/** What people read under `kubectl describe`. */
function notesOf(patch: PodPatch): readonly EventNote[] {
  switch (patch.kind) {
    case 'patch':
      return [
        { type: 'Normal', reason: 'Injected', message: 'the pod was given a sidecar' },
        ...patch.warnings.map((message): EventNote => ({ type: 'Warning', reason: 'InjectionWarning', message })),
      ];
    case 'refused':
      return [{ type: 'Warning', reason: 'InjectionRefused', message: patch.message }];
    case 'skipped':
      if (patch.tone === 'silent') return [];
      return [
        { type: patch.tone === 'warning' ? 'Warning' : 'Normal', reason: 'InjectionSkipped', message: patch.message },
      ];
    default:
      return patch satisfies never;
  }
}

function responseOf(uid: string, { operations = [], warnings = [], denied }: Answer): AdmissionResponse {
  if (denied !== undefined) {
    return { uid, allowed: false, status: { code: 422, reason: 'Invalid', message: denied } };
  }
  return {
    uid,
    allowed: true,
    ...(operations.length === 0
      ? {}
      : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }),
    ...(warnings.length === 0 ? {} : { warnings: warnings.map(shortened) }),
  };
}

function shortened(text: string): string {
  return text.length <= WARNING_CHARACTERS_MAX ? text : `${text.slice(0, WARNING_CHARACTERS_MAX - 1)}…`;
}

function requestOf(review: unknown): AdmissionRequest {
  const request: unknown = isRecord(review) ? review['request'] : undefined;
  if (
    !isRecord(request) ||
    typeof request['uid'] !== 'string' ||
    !isRecord(request['kind']) ||
    typeof request['kind']['kind'] !== 'string'
  ) {
    throw new Error('the body is no AdmissionReview with a request of group admission.k8s.io/v1');
  }
  const metadata = isRecord(request['object']) ? request['object']['metadata'] : undefined;
  if (!isRecord(metadata)) throw new Error('the AdmissionReview carries no object');
  return request as unknown as AdmissionRequest;
}

function podOf(object: unknown): Pod {
  const spec = isRecord(object) ? object['spec'] : undefined;
  if (!isRecord(spec) || !Array.isArray(spec['containers']))
    throw new Error('the pod of the AdmissionReview has no containers');
  return object as Pod;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
