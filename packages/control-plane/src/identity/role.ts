/** The identity role: issuer files → own certificate → Certify. */
import { EventRecorder } from '@mesh/kube';
import type { KubeObject } from '@mesh/kube';
import { formatWorkloadIdentity } from '@mesh/model';
import { MetricRegistry, Readiness } from '@mesh/runtime';

import type { IdentityConfig } from '../config/config.ts';
import { WatchedFiles } from '../config/watched-files.ts';
import { computedGauge, runRole } from '../role.ts';
import type { RoleDeps, RunningRole } from '../role.ts';
import { status } from '../serving/call.ts';
import { GrpcServer } from '../serving/grpc-server.ts';
import { issuerFiles, IssuerStore } from './issuer-store.ts';
import { SelfIssuedIdentity } from './self-issued.ts';
import { identityService } from './service.ts';

export function runIdentity(config: IdentityConfig, deps: RoleDeps, signal: AbortSignal): Promise<RunningRole> {
  const { client, clock, logger } = deps;
  const { controlPlaneNamespace, trustDomain, lifetimeMs, skewMs } = config;
  const metrics = new MetricRegistry();
  const readiness = new Readiness();
  const paths = { issuerDir: config.issuerDir, anchorsFile: config.trustAnchorsFile };
  const files = new WatchedFiles({ paths: issuerFiles(paths) }, { clock });
  const store = new IssuerStore(paths, { clock, logger });
  const events = new EventRecorder({ component: 'linkerd-identity' }, { client, clock, logger });
  const ownName = formatWorkloadIdentity({
    serviceAccount: 'linkerd-identity',
    namespace: controlPlaneNamespace,
    controlPlaneNamespace,
    trustDomain,
  });
  const own = new SelfIssuedIdentity({ identity: ownName, lifetimeMs, skewMs }, { store, clock, logger });

  const noIssuer = readiness.block('a valid issuer certificate');
  const reloads = metrics.counter({
    name: 'mesh_identity_issuer_loads_total',
    help: 'Times that issuer files were read after a change, by result.',
  });
  const certified = metrics.counter({ name: 'mesh_identity_certify_total', help: 'Certify calls, by gRPC status.' });
  computedGauge(
    metrics,
    'mesh_identity_issuer_expiry_seconds',
    'When the issuer certificate expires, in seconds since the Unix epoch; 0 without one.',
    () => Math.floor((store.current?.authority.certificate.notAfterMs ?? 0) / 1000),
  );
  const home = deploymentOf(controlPlaneNamespace);
  store.onChange((change) => {
    reloads.bind({ result: change.ok ? 'loaded' : 'refused' }).add(1);
    if (change.ok) noIssuer[Symbol.dispose]();
    events.record(
      home,
      change.ok
        ? {
            type: 'Normal',
            reason: 'IssuerUpdated',
            message: `The issuer certificate "${change.state.authority.certificate.subject}" is in use.`,
          }
        : {
            type: 'Warning',
            reason: 'IssuerUpdateSkipped',
            message: `The issuer files are not used: ${change.error.message}`,
          },
    );
  });
  files.onChange(() => store.load(files.contents));

  const service = identityService({
    mesh: { controlPlaneNamespace, trustDomain },
    lifetimeMs,
    skewMs,
    client,
    issuer: () => store.current?.authority,
    clock,
    logger,
    onIssued: (account, leaf) => {
      const until = new Date(leaf.notAfterMs).toISOString();
      events.record(account, {
        type: 'Normal',
        reason: 'IssuedLeafCertificate',
        message: `issued certificate for ${leaf.dnsNames[0] ?? ''} until ${until}: ${leaf.fingerprintSha256}`,
      });
    },
    onResult: (code) => certified.bind({ code: status[code] }).add(1),
  });
  const server = new GrpcServer(
    { ...config.grpc, services: [service] },
    { identity: config.plaintext ? undefined : own, logger },
  );
  computedGauge(
    metrics,
    'mesh_control_connections',
    'Connections that clients have open now.',
    () => server.connections,
  );
  return runRole(
    config,
    { components: [files, own, server], metrics, readiness, port: () => server.port },
    deps,
    signal,
  );
}

function deploymentOf(namespace: string): KubeObject {
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'linkerd-identity', namespace } };
}
