export { CliError } from './errors.ts';
export type { CliErrorInfo } from './errors.ts';
export type { CliIo, Connection, GlobalFlags } from './io.ts';
export type { Manifest } from './manifests/object.ts';
export { createProgram, runMesh } from './program.ts';
export { gatewayStates } from './gateways.ts';
export type { GatewayState } from './gateways.ts';
export { MESH_VERSION } from './version.ts';
export { parseManifests, printManifests } from './yaml.ts';
