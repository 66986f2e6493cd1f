/** The injector role: configuration and certificate → webhook. */
import { EventRecorder, Informer, NAMESPACES } from '@mesh/kube';
import type { Namespace } from '@mesh/kube';
import { MetricRegistry, Readiness } from '@mesh/runtime';

import type { InjectorConfig } from '../config/config.ts';
import { WatchedFiles } from '../config/watched-files.ts';
import { runRole } from '../role.ts';
import type { RoleDeps, RunningRole } from '../role.ts';
import { reviewAdmission } from './admission.ts';
import type { AdmissionOutcome } from './admission.ts';
import type { InjectionContext } from './inject.ts';
import { MeshConfig } from './mesh-config.ts';
import { webhookFiles, WebhookServer } from './webhook-server.ts';

/** The API server waits 10 s for the whole answer. */
const NAMESPACE_TIMEOUT_MS = 2_000;

export function runInjector(config: InjectorConfig, deps: RoleDeps, signal: AbortSignal): Promise<RunningRole> {
  const { client, clock, logger } = deps;
  const metrics = new MetricRegistry();
  const readiness = new Readiness();
  const files = new WatchedFiles({ paths: [...webhookFiles(config.tlsDir), config.trustAnchorsFile] }, { clock });
  const mesh = new MeshConfig(config.controlPlaneNamespace, { client, clock, logger });
  const namespaces = new Informer({ kind: NAMESPACES }, deps);
  const events = new EventRecorder({ component: 'linkerd-proxy-injector' }, { client, clock, logger });
  const requests = metrics.counter({
    name: 'proxy_inject_admission_requests_total',
    help: 'Objects that the API server asked about, by kind.',
  });
  const responses = metrics.counter({
    name: 'proxy_inject_admission_responses_total',
    help: 'Answers, by kind and result.',
  });

  const onOutcome = (outcome: AdmissionOutcome): void => {
    requests.bind({ kind: outcome.kind }).add(1);
    responses.bind({ kind: outcome.kind, result: outcome.result }).add(1);
    if (outcome.owner === undefined) return;
    const injected = outcome.result === 'injected';
    events.record(outcome.owner, {
      type: 'Normal',
      reason: injected ? 'Injected' : 'InjectionSkipped',
      message: outcome.message,
    });
  };
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
  const answer = (review: unknown): Promise<object> => reviewAdmission(review, { context, namespace, onOutcome });
  const server = new WebhookServer({ ...config.webhook, tlsDir: config.tlsDir }, { files, answer, logger });

  // Ready only with something to serve with and something to inject.
  const block = readiness.block('webhook certificate and trust anchors');
  const release = (): void => {
    if (files.contents.has(config.trustAnchorsFile) && server.hasCertificate) block[Symbol.dispose]();
  };
  files.onChange(() => {
    try {
      release();
    } catch {
      // The server reports what is wrong with its files.
    }
  });
  return runRole(
    config,
    { components: [files, mesh, namespaces, server], metrics, readiness, port: () => server.port },
    deps,
    signal,
  );
}
