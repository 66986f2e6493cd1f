/** Tries whether an endpoint can be reached again: TCP, and TLS where it has an identity, without a word to its program. */
import type { Handlers } from '@mesh/net';
import type { EndpointSlot, SlotOwner } from '../balance/endpoint-slot.ts';
import type { HttpEngine } from '../http/engine.ts';
import { connectTarget, isExpectedPeer } from './connect-plan.ts';

interface Probe {
  readonly slot: EndpointSlot;
  readonly owner: SlotOwner;
  opened: boolean;
}

/** `owner.connected` or `owner.connectFailed` follows. */
export function probeTcp(slot: EndpointSlot, owner: SlotOwner, engine: HttpEngine): void {
  const { connectTimeoutMs, connectKeepAliveMs } = engine.options;
  const target = connectTarget(slot.plan, engine.identity, connectTimeoutMs, connectKeepAliveMs);
  if (target === undefined) owner.connectFailed(slot, { kind: 'failed', code: 'identity_not_ready' });
  else engine.driver.connect(target, PROBE_HANDLERS, { slot, owner, opened: false });
}

const PROBE_HANDLERS: Handlers<Probe> = {
  secure(conn, peer) {
    if (!isExpectedPeer(conn.state.slot.plan, peer)) conn.reset();
  },
  open(conn) {
    const { state } = conn;
    state.opened = true;
    state.owner.connected(state.slot);
    conn.reset();
  },
  data: (conn) => conn.reset(),
  end: (conn) => conn.end(),
  drain() {},
  close(conn, why) {
    const { slot, owner, opened } = conn.state;
    if (!opened) owner.connectFailed(slot, why);
  },
};
