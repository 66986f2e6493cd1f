export { AdminServer } from './admin-server.ts';
export type { AdminServerDeps } from './admin-server.ts';
