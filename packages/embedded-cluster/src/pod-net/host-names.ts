/** Names outside of the cluster, as this machine resolves them. */
import { lookup } from 'node:dns/promises';
import { DNS_CODE, DNS_TYPE, type DnsAnswer, type DnsRecord } from './dns-message.ts';
import type { NameSource } from './dns-server.ts';

const TTL = 30;

export const hostNames: NameSource = {
  async answer(name: string, type: number): Promise<DnsAnswer> {
    if (type !== DNS_TYPE.A && type !== DNS_TYPE.AAAA) return { code: DNS_CODE.ok, answers: [] };
    try {
      const found = await lookup(name, { all: true, family: type === DNS_TYPE.A ? 4 : 6 });
      const kind = type === DNS_TYPE.A ? 'A' : 'AAAA';
      const answers = found.map(({ address }): DnsRecord => ({ type: kind, name, ttl: TTL, address }));
      return { code: DNS_CODE.ok, answers };
    } catch {
      return { code: DNS_CODE.noSuchName, answers: [] };
    }
  },
};
