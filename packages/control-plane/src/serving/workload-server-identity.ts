/** A role's certificate, obtained from the identity service like any workload's, in the form that the gRPC server takes. */
import { createCertifiedIdentity, parseTarget, watchedTrustFile } from '@mesh/control-client';
import type { Resolver, WorkloadIdentity } from '@mesh/control-client';
import { createNodeDriver } from '@mesh/net';
import type { Clock, Logger } from '@mesh/runtime';
import { ConfigError } from '@mesh/runtime';

import type { IdentityClientConfig } from '../config/config.ts';
import type { ServerIdentity } from './server-identity.ts';

/** @throws ConfigError when the identity service's address is none. */
export function workloadIdentityFor(
  config: IdentityClientConfig & { readonly trustAnchorsFile: string },
  deps: { readonly clock: Clock; readonly logger: Logger; readonly resolve: Resolver },
): WorkloadIdentity {
  const { clock, logger: log, resolve } = deps;
  const service = parseTarget(config.identityAddress);
  if (service === undefined) {
    throw new ConfigError([`MESH_IDENTITY_ADDRESS is "${config.identityAddress}": give host:port`]);
  }
  return createCertifiedIdentity(
    {
      name: config.ownName,
      service,
      serviceName: config.identityName,
      tokenPath: config.tokenFile,
      trust: watchedTrustFile(config.trustAnchorsFile, { clock, log }),
    },
    {
      driver: createNodeDriver(),
      clock,
      log,
      resolve,
      observer: { refreshed: () => undefined, installed: () => undefined },
    },
  );
}

export function serverIdentityOf(identity: WorkloadIdentity): ServerIdentity {
  return {
    current: () => {
      const snapshot = identity.current();
      return snapshot === undefined
        ? undefined
        : { key: snapshot.keyPem, chainPem: snapshot.chainPem, trustPem: snapshot.trustPem };
    },
    onChange: (listener) => identity.onChange(listener),
  };
}
