/** The injector role: configuration and certificate → webhook. */
import { EventRecorder, Informer, NAMESPACES } from '@mesh/kube';
import type { Namespace } from '@mesh/kube';
import { MetricRegistry, Readiness } from '@mesh/runtime';
import type { Component } from '@mesh/runtime';

import type { InjectorConfig } from '../config/config.ts';
import { WatchedFiles } from '../config/watched-files.ts';
import { runRole } from '../role.ts';
import type { RoleDeps, RunningRole } from '../role.ts';
import { reviewAdmission } from './admission.ts';
import type { AdmissionOutcome } from './admission.ts';
import { EventSubjects } from './event-subject.ts';
import type { InjectionContext } from './inject.ts';
import { MeshConfig } from './mesh-config.ts';
import { SecretCertificate } from './secret-certificate.ts';
import { FileCertificate, webhookFiles } from './webhook-certificate.ts';
import type { CertificateSource } from './webhook-certificate.ts';
import { WebhookServer } from './webhook-server.ts';

/** The API server waits 10 s for the whole answer. */
const NAMESPACE_TIMEOUT_MS = 2_000;

export function runInjector(config: InjectorConfig, deps: RoleDeps, signal: AbortSignal): Promise<RunningRole> {
  const { client, clock, logger } = deps;
  const metrics = new MetricRegistry();
  const readiness = new Readiness();
  const { certificate: from } = config;
  const paths = [config.trustAnchorsFile, ...(from.kind === 'files' ? webhookFiles(from.dir) : [])];
  const files = new WatchedFiles({ paths }, { clock });
  const mesh = new MeshConfig(config.controlPlaneNamespace, { client, clock, logger });
  const namespaces = new Informer({ kind: NAMESPACES }, deps);
  const notes = new OutcomeNotes(metrics, deps);

  const context = (namespace: InjectionContext['namespace']): InjectionContext => {
    const { values } = mesh;
    if (values === undefined) throw new Error('ConfigMap linkerd-config has not been read yet');
    const trustAnchorsPem = files.contents.get(config.trustAnchorsFile);
    if (trustAnchorsPem === undefined) throw new Error(`the trust anchors in ${config.trustAnchorsFile} are missing`);
    return {
      values,
      controlPlaneNamespace: config.controlPlaneNamespace,
      trustAnchorsPem,
      namespace,
      createdBy: `linkerd/proxy-injector ${values.linkerdVersion}`.trim(),
    };
  };
  // Asked for anew each time, since the informer may lag behind; the informer answers when the API does not.
  const namespace = (name: string): Promise<Namespace | undefined> =>
    client
      .get(NAMESPACES, { name }, AbortSignal.timeout(NAMESPACE_TIMEOUT_MS))
      .catch(() => undefined)
      .then((found) => found ?? namespaces.get(name));
  const answer = (review: unknown): Promise<object> =>
    reviewAdmission(review, { context, namespace, onOutcome: (outcome) => notes.take(outcome) });

  const certificate = certificateSource(config, { ...deps, files, metrics });
  const server = new WebhookServer(config.webhook, { certificate, answer, logger });

  // Ready only with something to serve with and something to inject.
  const block = readiness.block('webhook certificate and trust anchors');
  const release = (): void => {
    if (files.contents.has(config.trustAnchorsFile) && certificate.current !== undefined) block[Symbol.dispose]();
  };
  certificate.onChange(release);
  files.onChange(release);
  return runRole(
    config,
    { components: [files, mesh, namespaces, notes, certificate, server], metrics, readiness, port: () => server.port },
    deps,
    signal,
  );
}

function certificateSource(
  config: InjectorConfig,
  deps: RoleDeps & { readonly files: WatchedFiles; readonly metrics: MetricRegistry },
): CertificateSource {
  const { certificate: from } = config;
  if (from.kind === 'files') return new FileCertificate(from.dir, deps);
  const expiry = deps.metrics
    .gauge({
      name: 'mesh_injector_certificate_expiry_seconds',
      help: "When the webhook's certificate ends, in seconds since 1970.",
    })
    .bind();
  const changes = deps.metrics
    .counter({
      name: 'mesh_injector_certificate_changes_total',
      help: 'Certificates that this replica began to serve with.',
    })
    .bind();
  return new SecretCertificate(
    { ...from, namespace: config.controlPlaneNamespace, clusterDomain: config.clusterDomain },
    {
      ...deps,
      onServing(leaf) {
        expiry.set(Math.floor(leaf.notAfterMs / 1000));
        changes.add(1);
      },
    },
  );
}

/** Counts what was decided, by the names and labels of Linkerd's injector, and tells the owners of the pods. */
class OutcomeNotes implements Component {
  readonly name = 'admission notes';
  readonly #requests: ReturnType<MetricRegistry['counter']>;
  readonly #responses: ReturnType<MetricRegistry['counter']>;
  readonly #events: EventRecorder;
  readonly #subjects: EventSubjects;
  readonly #logger: RoleDeps['logger'];
  readonly #stop = new AbortController();

  constructor(metrics: MetricRegistry, deps: RoleDeps) {
    this.#requests = metrics.counter({
      name: 'proxy_inject_admission_requests_total',
      help: 'Objects that the API server asked about, by kind of owner, namespace and place of the annotation.',
    });
    this.#responses = metrics.counter({
      name: 'proxy_inject_admission_responses_total',
      help: 'Answers: as the requests, with whether and why the object was left as it is.',
    });
    this.#events = new EventRecorder({ component: 'linkerd-proxy-injector' }, deps);
    this.#subjects = new EventSubjects(deps);
    this.#logger = deps.logger;
  }

  async start(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
  }

  /** Returns at once: nobody waits for Events. */
  take({ namespace, ownerKind, annotationAt, skipReason, told }: AdmissionOutcome): void {
    const labels = { owner_kind: ownerKind, namespace, annotation_at: annotationAt };
    this.#requests.bind(labels).add(1);
    this.#responses.bind({ ...labels, skip: String(skipReason !== undefined), skip_reason: skipReason ?? '' }).add(1);
    if (told !== undefined) void this.#tell(told);
  }

  async #tell({ pod, notes }: NonNullable<AdmissionOutcome['told']>): Promise<void> {
    try {
      const subject = await this.#subjects.find(pod, this.#stop.signal);
      if (subject === undefined) return;
      for (const note of notes) this.#events.record(subject, note);
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#logger.debug('event not recorded', { error });
    }
  }
}
