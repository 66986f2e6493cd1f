/** The names that peers ask for: a Service of this cluster, or one pod of a headless one. */

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

export interface TargetName extends ServiceName {
  /** Of one pod, where the name is longer than the Service's. */
  readonly hostname: string | undefined;
}

/** Reads `[<hostname>.]<svc>.<ns>.svc.<cluster domain>`; `undefined` for names of anything else. */
export function parseServiceName(host: string, clusterDomain: string): TargetName | undefined {
  const suffix = `.svc.${clusterDomain}`;
  const bare = (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase();
  if (!bare.endsWith(suffix)) return undefined;
  const labels = bare.slice(0, -suffix.length).split('.');
  if (labels.length > 3 || labels.includes('')) return undefined;
  const namespace = labels.pop();
  const name = labels.pop();
  return name === undefined || namespace === undefined ? undefined : { namespace, name, hostname: labels.pop() };
}
