/** AdmissionReview (admission.k8s.io/v1) in, AdmissionReview out. Pure but for what the callbacks note. */
import type { KubeObject, Namespace, Pod, Service } from '@mesh/kube';

import { injectMode, patchPod, patchService } from './inject.ts';
import type { InjectionContext } from './inject.ts';
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
  readonly allowed: true;
  readonly patchType?: 'JSONPatch';
  /** Base64. */
  readonly patch?: string;
  readonly warnings?: readonly string[];
}

export interface AdmissionDeps {
  /** Undefined while the configuration has not been read: pods then start without a sidecar, or not, as the webhook's failure policy says. */
  readonly context: (namespace: {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  }) => InjectionContext;
  /** As it is now: a pod often follows its new or newly annotated namespace within milliseconds. */
  readonly namespace: (name: string) => Promise<Namespace | undefined>;
  readonly onOutcome: (outcome: AdmissionOutcome) => void;
}

export interface AdmissionOutcome {
  readonly kind: 'pod' | 'service' | 'other';
  /** `injected`, `annotated`, `unchanged`, or why not. */
  readonly result: string;
  /** What an Event can be about: the pod itself does not exist yet. */
  readonly owner: KubeObject | undefined;
  readonly message: string;
}

/** Rejects when `review` is no AdmissionReview request; the text goes to the caller. */
export async function reviewAdmission(review: unknown, deps: AdmissionDeps): Promise<object> {
  const request = requestOf(review);
  const respond = (operations: readonly PatchOperation[], warnings: readonly string[]): object => {
    const response: AdmissionResponse = {
      uid: request.uid,
      allowed: true,
      ...(operations.length === 0
        ? {}
        : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }),
      ...(warnings.length === 0 ? {} : { warnings }),
    };
    return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
  };
  const namespaceName = request.namespace ?? 'default';
  const namespace = (await deps.namespace(namespaceName)) ?? { metadata: { name: namespaceName } };
  switch (request.kind.kind) {
    case 'Pod': {
      const result = patchPod(
        podOf(request.object),
        deps.context({ name: namespaceName, annotations: namespace.metadata.annotations ?? {} }),
      );
      const pod = request.object as Pod;
      // A dry run leaves no trace.
      const owner = request.dryRun === true ? undefined : ownerOf(pod, namespaceName);
      if (result.kind === 'skip') {
        const wanted = injectMode(pod.metadata.annotations, namespace.metadata.annotations ?? {}) !== undefined;
        // Silence where nobody asked for a sidecar.
        deps.onOutcome({
          kind: 'pod',
          result: result.reason,
          owner: wanted ? owner : undefined,
          message: result.message,
        });
        return respond([], []);
      }
      deps.onOutcome({ kind: 'pod', result: 'injected', owner, message: 'Linkerd sidecar proxy injected' });
      return respond(result.operations, result.warnings);
    }
    case 'Service': {
      const operations = patchService(request.object as Service, namespace);
      deps.onOutcome({
        kind: 'service',
        result: operations.length === 0 ? 'unchanged' : 'annotated',
        owner: undefined,
        message: '',
      });
      return respond(operations, []);
    }
    default:
      deps.onOutcome({ kind: 'other', result: 'unchanged', owner: undefined, message: '' });
      return respond([], []);
  }
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

function ownerOf(pod: Pod, namespace: string): KubeObject | undefined {
  const owner = pod.metadata.ownerReferences?.find((one) => one.controller === true);
  if (owner === undefined) return undefined;
  return { apiVersion: owner.apiVersion, kind: owner.kind, metadata: { name: owner.name, namespace, uid: owner.uid } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
