/** Looks names up as long as their records live: by the name server, which tells how long that is, else as the system does. */
import { lookup, Resolver } from 'node:dns/promises';
import type { Resolved } from './gateway-addresses.ts';

/** A name server that does not answer must not keep those who wait for long. */
const QUERY = { timeout: 2_000, tries: 2 };

/** @throws Error when neither the name server nor the system knows the name. */
export async function systemLookup(host: string): Promise<Resolved> {
  const resolver = new Resolver(QUERY);
  const answers = await Promise.allSettled([
    resolver.resolve4(host, { ttl: true }),
    resolver.resolve6(host, { ttl: true }),
  ]);
  const records = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (records.length > 0)
    return { ips: records.map(({ address }) => address), ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000 };
  // Names of the hosts file, of the search path, or of a name server that asks for something that the resolver does not speak.
  const found = await lookup(host, { all: true });
  return { ips: found.map(({ address }) => address), ttlMs: undefined };
}
