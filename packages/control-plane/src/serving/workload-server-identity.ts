/** A role's certificate, obtained from the identity service like any workload's, in the form that the gRPC server takes. */
import {
  createWorkloadIdentity,
  grpcCertifier,
  isLoopbackTarget,
  parseTarget,
  silentObserver,
  systemResolver,
  tokenFile,
  watchedTrustFile,
} from '@mesh/control-client';
import type { WorkloadIdentity } from '@mesh/control-client';
import { createNodeDriver } from '@mesh/net';
import type { Clock, Logger } from '@mesh/runtime';
import { MeshError } from '@mesh/runtime';

import type { IdentityClientConfig } from '../config/config.ts';
import type { ServerIdentity } from './server-identity.ts';

export function workloadIdentityFor(
  config: IdentityClientConfig & { readonly trustAnchorsFile: string },
  deps: { readonly clock: Clock; readonly logger: Logger },
): WorkloadIdentity {
  const { clock, logger: log } = deps;
  const target = parseTarget(config.identityAddress);
  if (target === undefined) {
    throw new MeshError({ code: 'bad_address' }, `MESH_IDENTITY_ADDRESS="${config.identityAddress}" is not host:port`);
  }
  const driver = createNodeDriver();
  const certify = grpcCertifier(
    {
      target,
      security: isLoopbackTarget(target)
        ? { kind: 'plaintext' }
        : { kind: 'tls', serverName: config.identityName, context: () => identity.clientContext() },
    },
    { driver, clock, resolve: systemResolver, log, observer: silentObserver },
  );
  const identity: WorkloadIdentity = createWorkloadIdentity(
    {
      name: config.ownName,
      certify,
      readToken: tokenFile(config.tokenFile),
      trust: watchedTrustFile(config.trustAnchorsFile, { clock, log }),
    },
    { driver, clock, log, observer: { refreshed: () => undefined, installed: () => undefined } },
  );
  return identity;
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
