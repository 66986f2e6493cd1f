export { LEASE_NAME, Mirror } from './app.ts';
export type { MirrorDeps, MirrorOptions } from './app.ts';
export type { ProbeConnector, ProbeFailure, ProbeResult, ProbeSession, ProbeTarget } from './gateway-prober.ts';
export { createMtlsProbe } from './mtls-probe.ts';
export type { MtlsProbeDeps } from './mtls-probe.ts';
