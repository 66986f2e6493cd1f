/** `npm run kind -- logs`: one component's log in all clusters, each line with its pod. */
import { spawn } from 'node:child_process';
import type { KindHome } from '../home/kind-home.ts';

const COMPONENTS: Readonly<Record<string, readonly string[]>> = {
  identity: ['-n', 'linkerd', '-l', 'linkerd.io/control-plane-component=identity', '-c', 'identity'],
  destination: ['-n', 'linkerd', '-l', 'linkerd.io/control-plane-component=destination', '-c', 'destination'],
  policy: ['-n', 'linkerd', '-l', 'linkerd.io/control-plane-component=destination', '-c', 'policy'],
  injector: ['-n', 'linkerd', '-l', 'linkerd.io/control-plane-component=proxy-injector', '-c', 'proxy-injector'],
  gateway: ['-n', 'linkerd-multicluster', '-l', 'app=linkerd-gateway', '-c', 'gateway'],
  dns: ['-n', 'linkerd-multicluster', '-l', 'component=linkerd-clusterset-dns', '-c', 'dns'],
  mirror: ['-n', 'linkerd-multicluster', '-l', 'component=linkerd-service-mirror', '-c', 'mirror'],
};

const LINES = '200';

/** Resolves with the exit code when all have ended. */
export async function showLogs(home: KindHome, component: string, follow: boolean): Promise<number> {
  const [namespace, deployment] = component.split('/');
  const target =
    COMPONENTS[component] ??
    (namespace !== undefined && deployment !== undefined && deployment !== ''
      ? ['-n', namespace, `deployment/${deployment}`, '-c', 'linkerd-proxy']
      : undefined);
  if (target === undefined) {
    process.stderr.write(`kind: logs: give ${Object.keys(COMPONENTS).join(', ')}, or NAMESPACE/DEPLOYMENT\n`);
    return 64;
  }
  const codes = await Promise.all(
    home.clusters.map((cluster) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const flags = ['--prefix', '--tail', LINES, ...(follow ? ['--follow'] : [])];
      const args = ['--kubeconfig', home.kubeconfig, '--context', cluster.name, 'logs', ...target, ...flags];
      const child = spawn('kubectl', args, { stdio: ['ignore', 'inherit', 'inherit'] });
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 0));
      return promise;
    }),
  );
  return Math.max(...codes);
}
