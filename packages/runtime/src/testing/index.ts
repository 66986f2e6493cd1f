/** What tests and benchmarks of several packages need of the machine. */
export { bunBinary } from './bun-binary.ts';
export { freePort } from './free-port.ts';
export { namespacedCases, namespaceMissing, natTables } from './network-namespace.ts';
