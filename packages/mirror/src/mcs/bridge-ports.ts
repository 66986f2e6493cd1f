/**
 * Which ports of the own gateway lead to which imported ports of which peers. The assignment is kept in the slices that name the ports, so
 * a new leader finds it there; only ports that no watch has shown yet are remembered here.
 */
import { createHash } from 'node:crypto';
import type { EndpointSlice } from '@mesh/kube';
import { keyOf } from '@mesh/kube';
import { ANNOTATION_BRIDGE_TARGET, LABEL_PATH, LABEL_SOURCE_CLUSTER } from './names.ts';

/** Below the range from which systems choose ports of outgoing connections (32768), and away from NodePorts (30000). */
export const BRIDGE_PORT_MIN = 20_000;
export const BRIDGE_PORT_MAX = 29_999;

/** Whose port it is: a derived Service's port towards one cluster. */
export interface BridgeOwner {
  /** `namespace/name` of the derived Service. */
  readonly target: string;
  readonly cluster: string;
  /** Name of the port in the slice. */
  readonly portName: string;
}

interface Claim {
  readonly id: string;
  readonly since: string;
}

export class BridgePorts {
  /** What slices say: by port, then by the slice. */
  readonly #claims = new Map<number, Map<string, Claim>>();
  readonly #portsOf = new Map<string, readonly number[]>();
  /** Given out here; the slices may not say so yet. */
  readonly #given = new Map<string, number>();
  readonly #givenTo = new Map<number, string>();

  /** A slice as the API has it now; other slices are ignored. */
  observe(slice: EndpointSlice, isDeleted: boolean): void {
    const key = keyOf(slice.metadata);
    for (const port of this.#portsOf.get(key) ?? []) {
      const claims = this.#claims.get(port);
      claims?.delete(key);
      if (claims?.size === 0) this.#claims.delete(port);
    }
    this.#portsOf.delete(key);
    const claimed = isDeleted ? [] : claimsOf(slice);
    if (claimed.length === 0) return;
    for (const { id, port } of claimed) {
      const claims = this.#claims.get(port) ?? new Map<string, Claim>();
      claims.set(key, { id, since: slice.metadata.creationTimestamp ?? '' });
      this.#claims.set(port, claims);
    }
    this.#portsOf.set(
      key,
      claimed.map(({ port }) => port),
    );
  }

  /**
   * A port for each owner, those that they have first.
   *
   * @param live Their slices as they are.
   * @returns `undefined` for whom none was left.
   */
  assign(owners: readonly BridgeOwner[], live: readonly EndpointSlice[]): readonly (number | undefined)[] {
    const stored = new Map(live.flatMap(claimsOf).map(({ id, port }) => [id, port] as const));
    return owners.map((owner) => {
      const id = idOf(owner);
      const known = [stored.get(id), this.#given.get(id)].find((port) => port !== undefined && this.#isFor(port, id));
      const port = known ?? this.#free(id);
      if (port !== undefined) this.#give(id, port);
      return port;
    });
  }

  /** The import is gone, or goes another way: its ports are free once its slices are gone. */
  release(target: string, cluster?: string): void {
    const prefix = cluster === undefined ? `${target}|` : `${target}|${cluster}|`;
    for (const [id, port] of this.#given) {
      if (!id.startsWith(prefix)) continue;
      this.#given.delete(id);
      this.#givenTo.delete(port);
    }
  }

  #give(id: string, port: number): void {
    const before = this.#given.get(id);
    if (before === port) return;
    if (before !== undefined) this.#givenTo.delete(before);
    this.#given.set(id, port);
    this.#givenTo.set(port, id);
  }

  #isFor(port: number, id: string): boolean {
    const holder = this.#holder(port);
    return holder === undefined || holder === id;
  }

  /** Where two slices claim a port, which only a change of leaders can bring about, the older one has it. */
  #holder(port: number): string | undefined {
    const claims = [...(this.#claims.get(port) ?? [])].toSorted(
      ([a, one], [b, other]) => compare(one.since, other.since) || compare(a, b),
    );
    return claims[0]?.[1].id ?? this.#givenTo.get(port);
  }

  /** The search begins at a place that the owner determines: a port that was freed is seldom somebody else's at once. */
  #free(id: string): number | undefined {
    const count = BRIDGE_PORT_MAX - BRIDGE_PORT_MIN + 1;
    const start = createHash('sha256').update(id).digest().readUInt32BE(0);
    for (let step = 0; step < count; step += 1) {
      const port = BRIDGE_PORT_MIN + ((start + step) % count);
      if (this.#holder(port) === undefined) return port;
    }
    return undefined;
  }
}

function claimsOf({ metadata, ports = [] }: EndpointSlice): readonly { readonly id: string; readonly port: number }[] {
  const target = metadata.annotations?.[ANNOTATION_BRIDGE_TARGET];
  const cluster = metadata.labels?.[LABEL_SOURCE_CLUSTER];
  if (target === undefined || cluster === undefined || metadata.labels?.[LABEL_PATH] !== 'bridge') return [];
  return ports.flatMap(({ name: portName = '', port }) =>
    port === undefined || port < BRIDGE_PORT_MIN || port > BRIDGE_PORT_MAX
      ? []
      : [{ id: idOf({ target, cluster, portName }), port }],
  );
}

function idOf({ target, cluster, portName }: BridgeOwner): string {
  return `${target}|${cluster}|${portName}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
