export { Gateway } from './app.ts';
export type { GatewayDeps, GatewayOptions } from './app.ts';
export { EXPORT_SELECTORS } from './exported-services.ts';
