export {
  parseDestinationConfig,
  parseIdentityConfig,
  parseInjectorConfig,
  parsePolicyConfig,
  ROLES,
} from './config/config.ts';
export type {
  CommonConfig,
  DestinationConfig,
  GrpcConfig,
  IdentityClientConfig,
  IdentityConfig,
  InjectorConfig,
  ListenAddress,
  PolicyRoleConfig,
  Role,
  WebhookCertificateConfig,
} from './config/config.ts';
export { runDestination } from './destination/role.ts';
export { runIdentity } from './identity/role.ts';
export { runInjector } from './injector/role.ts';
export { runPolicy } from './policy/role.ts';
export type { RoleDeps, RunningRole } from './role.ts';
