export { Gateway } from './app.ts';
export type { GatewayDeps, GatewayOptions } from './app.ts';
