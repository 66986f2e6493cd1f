/** What the HTTP handlers share. */
import type { Authenticator } from '../auth/authenticate.ts';
import type { RbacAuthorizer } from '../auth/rbac.ts';
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import type { ApiOperations } from '../operations.ts';
import type { PodHandler } from '../pod-handler.ts';
import type { OpenApiDocuments } from './openapi.ts';

export interface HandlerParts {
  readonly operations: ApiOperations;
  readonly authenticator: Authenticator;
  readonly authorizer: RbacAuthorizer;
  readonly tokens: ServiceAccountTokens;
  readonly openApi: OpenApiDocuments;
  readonly podHandler: () => PodHandler | undefined;
  /** Ends every open watch: when the server stops. */
  readonly openWatches: Set<() => void>;
}
