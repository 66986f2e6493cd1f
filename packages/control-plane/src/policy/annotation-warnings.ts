/** Tells the owner of a Service, in an Event on it, which of its policy annotations cannot be used and what to write instead. */
import { keyOf } from '@mesh/kube';
import type { EventNote, KubeObject, Service } from '@mesh/kube';
import type { Component } from '@mesh/runtime';

import type { Table } from '../live/table.ts';
import { annotationProblems } from './service-policy.ts';

export interface AnnotationWarningsDeps {
  readonly services: Pick<Table<Service>, 'onApply'>;
  readonly events: { record(target: KubeObject, note: EventNote): void };
  readonly logger: { warn(message: string, fields: Readonly<Record<string, unknown>>): void };
}

export class AnnotationWarnings implements Component {
  readonly name = 'annotation warnings';
  readonly #deps: AnnotationWarningsDeps;
  /** What was told, by Service: only Services with problems are in it. */
  readonly #told = new Map<string, string>();
  #stop: (() => void) | undefined;

  constructor(deps: AnnotationWarningsDeps) {
    this.#deps = deps;
  }

  start(): Promise<void> {
    this.#stop = this.#deps.services.onApply((key, service) => this.#look(key, service));
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stop?.();
    return Promise.resolve();
  }

  #look(key: string, service: Service | undefined): void {
    const problems = service === undefined ? [] : annotationProblems(service);
    const text = problems.join('\n');
    if (text === (this.#told.get(key) ?? '')) return;
    if (service === undefined || text === '') {
      this.#told.delete(key);
      return;
    }
    this.#told.set(key, text);
    const subject = { ...service, apiVersion: 'v1', kind: 'Service' };
    for (const problem of problems) {
      this.#deps.logger.warn('annotation not used', { service: keyOf(service.metadata), problem });
      this.#deps.events.record(subject, { type: 'Warning', reason: 'InvalidPolicyAnnotation', message: problem });
    }
  }
}
