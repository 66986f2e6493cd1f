/** Categories `linkerd-traffic` and `linkerd-multicluster-traffic`: real requests, sent by a meshed pod, and what both ends saw of them. */
import { formatWorkloadIdentity } from '@mesh/model';
import type { ProbeReport } from '../../probe/report.ts';
import { SkipCheck } from '../check.ts';
import type { Check, CheckCategory } from '../check.ts';
import type { CheckState } from '../state.ts';
import type { GatewayTarget } from './gateway-targets.ts';
import { LOCAL_TARGET } from './probe-manifests.ts';
import type { ProbeRun } from './probe-run.ts';

/** Pod to pod inside the cluster. */
export function trafficCategory(state: CheckState, probe: ProbeRun): CheckCategory {
  const report = (): ProbeReport => answeredReport(probe, LOCAL_TARGET);
  return {
    name: 'linkerd-traffic',
    checks: [
      ...startChecks(probe),
      {
        description: 'requests between meshed pods are answered',
        hint: 'l5d-traffic-requests',
        run: () => Promise.resolve().then(() => assertAnswered(probe, LOCAL_TARGET)),
      },
      {
        description: 'requests between meshed pods are encrypted',
        hint: 'l5d-traffic-tls',
        run: () => Promise.resolve().then(() => assertEncrypted(report())),
      },
      {
        description: 'client and server know each other by identity',
        hint: 'l5d-traffic-identity',
        run: async () => {
          const { trustDomain } = await state.config();
          const identity = (serviceAccount: string): string =>
            formatWorkloadIdentity({
              serviceAccount,
              namespace: probe.namespace,
              controlPlaneNamespace: state.controlPlaneNamespace,
              trustDomain,
            });
          return assertIdentities(report(), identity(probe.clientAccount), identity(probe.serverAccount));
        },
      },
      endCheck(probe),
    ],
  };
}

/** Through the gateways of linked clusters, to a Service that each exports. */
export function gatewayTrafficCategory(probe: ProbeRun, targets: readonly GatewayTarget[]): CheckCategory {
  const callable = targets.filter((target) => target.url !== undefined);
  const perLink = (target: GatewayTarget): readonly Check[] => [
    {
      description: `an exported service of ${target.cluster} can be called`,
      hint: 'l5d-traffic-exported-service',
      warning: true,
      run: () =>
        target.url === undefined
          ? Promise.reject(new Error(target.problem ?? `cluster ${target.cluster} exports no service`))
          : Promise.resolve(target.url),
    },
    {
      description: `requests through the gateway of ${target.cluster} are answered`,
      hint: 'l5d-traffic-gateway',
      run: async () => {
        if (target.url === undefined) throw new SkipCheck();
        return assertAnswered(probe, target.cluster);
      },
    },
    {
      description: `requests to the gateway of ${target.cluster} are encrypted, and it is who the Link says`,
      hint: 'l5d-traffic-gateway-identity',
      run: async () => {
        if (target.url === undefined) throw new SkipCheck();
        const report = answeredReport(probe, target.cluster);
        assertEncrypted(report);
        const { serverIdentity = '' } = report.sidecar ?? {};
        if (serverIdentity !== target.gatewayIdentity)
          throw new Error(`the other end was ${serverIdentity || 'nobody'}, not ${target.gatewayIdentity}`);
        return `gateway ${serverIdentity}`;
      },
    },
  ];
  return {
    name: 'linkerd-multicluster-traffic',
    checks:
      callable.length === 0
        ? targets.flatMap(perLink)
        : [...startChecks(probe), ...targets.flatMap(perLink), endCheck(probe)],
  };
}

/** Makes the probe and lets it run. */
export function startChecks(probe: ProbeRun): readonly Check[] {
  return [
    {
      description: 'traffic probe can be created',
      hint: 'l5d-traffic-probe-created',
      fatal: true,
      run: (signal) => probe.create(signal),
    },
    {
      description: 'traffic probe is injected',
      hint: 'l5d-traffic-probe-injected',
      fatal: true,
      run: () => Promise.resolve().then(() => probe.assertInjected()),
    },
    {
      description: 'traffic probe has run',
      hint: 'l5d-traffic-probe-run',
      fatal: true,
      retry: true,
      run: () => probe.finish(),
    },
  ];
}

/** Takes the probe back. */
export function endCheck(probe: ProbeRun): Check {
  return {
    description: 'traffic probe is removed',
    hint: 'l5d-traffic-probe-removed',
    retry: true,
    warning: true,
    run: () => probe.assertRemoved(),
  };
}

/** @throws Error with what went wrong; what was measured otherwise. */
export function assertAnswered(probe: ProbeRun, target: string): string {
  const report = probe.report(target);
  if (report === undefined) throw new Error(`the probe said nothing of ${target}`);
  const { url, answered, failed, error, status, latencyMs, httpVersion } = report;
  if (answered === 0) throw new Error(`no request to ${url} was answered: ${error ?? ''}`);
  if (failed > 0) throw new Error(`${failed} of ${answered + failed} requests to ${url} failed: ${error ?? ''}`);
  return `${answered} requests to ${url}: HTTP/${httpVersion ?? ''} ${status ?? ''}, latency p50 ${latencyMs?.p50 ?? 0} ms, p99 ${latencyMs?.p99 ?? 0} ms`;
}

/** The others are silent about what was not answered; one check says that. */
function answeredReport(probe: ProbeRun, target: string): ProbeReport {
  const report = probe.report(target);
  if (report === undefined || report.answered === 0) throw new SkipCheck();
  return report;
}

function assertEncrypted({ sidecar }: ProbeReport): string {
  if (sidecar === undefined)
    throw new Error("the client's sidecar counted no requests: traffic went around it, or its metrics cannot be read");
  if (sidecar.tls === 'true') return 'mTLS between the sidecars';
  throw new Error(
    `the client's sidecar sent requests without TLS${sidecar.reason === undefined ? '' : ` (${sidecar.reason})`}`,
  );
}

function assertIdentities({ server, sidecar }: ProbeReport, client: string, wanted: string): string {
  const problems = [
    ...(server?.clientIdentity === client
      ? []
      : [`the server saw client ${server?.clientIdentity || 'nobody'}, not ${client}`]),
    ...(sidecar?.serverIdentity === wanted
      ? []
      : [`the client saw server ${sidecar?.serverIdentity || 'nobody'}, not ${wanted}`]),
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return `client ${client}\nserver ${wanted}`;
}
