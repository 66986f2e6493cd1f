/**
 * What the sidecar's process has in its environment on Bun, in the image (`docker/mesh-proxy.Dockerfile`) and in benchmarks.
 *
 * The engine compiles a function after 500 calls, as is right for programs that have the memory. Probes, scrapes and a few requests a second make
 * everything that hot within minutes: 17 MB private instead of 12. A busy sidecar gets to 10,000 calls in seconds (ADR 0005).
 */
export const BUN_ENVIRONMENT: Readonly<Record<string, string>> = { BUN_JSC_thresholdForJITAfterWarmUp: '10000' };
