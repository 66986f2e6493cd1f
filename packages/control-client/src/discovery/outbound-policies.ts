/** The two lookups of an outbound destination, `OutboundPolicies.Watch` and `Destination.GetProfile`, each as one state. */
import { messageOf } from '@mesh/runtime';
import type { Logger } from '@mesh/runtime';
import { GRPC_STATUS, grpcStatusName } from '../grpc/status.ts';
import { GET_PROFILE, WATCH_OUTBOUND } from '../proto/methods.ts';
import { toEndpoint } from './convert-endpoint.ts';
import { toOutboundPolicy } from './convert-outbound.ts';
import { TERMINAL } from './open-watch.ts';
import type { OpenWatch } from './open-watch.ts';
import type { Endpoint, IpPort, OutboundPolicy } from '@mesh/model';

/** An address, as connections have it, or a name with port, as gateways and ingresses have it. */
export type OutboundTarget =
  | { readonly kind: 'address'; readonly address: IpPort }
  | { readonly kind: 'authority'; readonly authority: string };

/** "Not found" is a normal answer here: there is no policy. */
const POLICY_TERMINAL: ReadonlySet<number> = new Set([...TERMINAL, GRPC_STATUS.NOT_FOUND, GRPC_STATUS.UNIMPLEMENTED]);

export type PolicyAnswer =
  | { readonly kind: 'policy'; readonly policy: OutboundPolicy }
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly reason: string };

/** What of a profile matters to connections. */
export interface Profile {
  readonly opaque: boolean;
  /** Set when the target is one endpoint rather than a service. */
  readonly endpoint: Endpoint | undefined;
}
export type ProfileAnswer = { readonly kind: 'profile'; readonly profile: Profile } | { readonly kind: 'none' };

export function targetText(target: OutboundTarget): string {
  return target.kind === 'address' ? `${target.address.ip}:${target.address.port}` : target.authority;
}

/** Tells each change of the policy answer; an unusable policy counts only while there is no usable one. */
export function watchPolicy(
  open: OpenWatch,
  sourceWorkload: string,
  target: OutboundTarget,
  answer: (answer: PolicyAnswer) => void,
  log: Logger,
): () => void {
  let usable = false;
  return open(
    WATCH_OUTBOUND,
    { sourceWorkload, target },
    {
      opened: () => undefined,
      message: (message) => {
        try {
          answer({ kind: 'policy', policy: toOutboundPolicy(message) });
          usable = true;
        } catch (error) {
          const reason = messageOf(error);
          log.warn('outbound policy not usable', { target: targetText(target), reason });
          if (!usable) answer({ kind: 'refused', reason: `the policy is not usable: ${reason}` });
        }
      },
      interrupted: () => undefined,
      terminal: (status) => {
        if (!TERMINAL.has(status.code)) return answer({ kind: 'none' });
        answer({ kind: 'refused', reason: `${grpcStatusName(status.code)}: ${status.message}` });
      },
    },
    POLICY_TERMINAL,
  );
}

export function watchProfile(
  open: OpenWatch,
  contextToken: string,
  target: OutboundTarget,
  answer: (answer: ProfileAnswer) => void,
  log: Logger,
): () => void {
  const path = target.kind === 'authority' ? target.authority : pathOf(target.address);
  return open(
    GET_PROFILE,
    { scheme: 'k8s', path, contextToken },
    {
      opened: () => undefined,
      message: (message) =>
        answer({
          kind: 'profile',
          profile: {
            opaque: message.opaqueProtocol,
            endpoint: message.endpoint === undefined ? undefined : toEndpoint(message.endpoint),
          },
        }),
      interrupted: () => undefined,
      terminal: (status) => {
        log.warn('no profile', { path, status: grpcStatusName(status.code), reason: status.message });
        answer({ kind: 'none' });
      },
    },
  );
}

function pathOf(address: IpPort): string {
  return address.ip.includes(':') ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}
