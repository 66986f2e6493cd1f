import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseProxyInitConfig } from './config.ts';
import { restoreInput } from './restore.ts';
import { redirectChains } from './rules.ts';
import type { Family } from './rules.ts';

/** @param line Arguments, with blanks between. */
function rules(family: Family, line = ''): string {
  const args = line.split(' ').filter((part) => part !== '');
  return restoreInput(redirectChains(parseProxyInitConfig(args), family), '');
}

/** `UPDATE_GOLDEN=1` writes the file instead. */
function matchGolden(name: string, text: string): void {
  const file = new URL(`golden/${name}.rules`, import.meta.url);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'), `differs from golden/${name}.rules`);
}

const INJECTED =
  '--firewall-bin-path iptables-nft --firewall-save-bin-path iptables-nft-save --ipv6=false --incoming-proxy-port 4143 ' +
  '--outgoing-proxy-port 4140 --proxy-uid 2102 --inbound-ports-to-ignore 4190,4191,4567,4568 ' +
  '--outbound-ports-to-ignore 4567,4568';

test('the rules of an injected pod are the golden ones', () => {
  matchGolden('injected', rules('ipv4', INJECTED));
});

test('with everything configured the rules are the golden ones, in both versions', () => {
  const args =
    '-p 5143 -o 5140 -u 1000 -g 3000 -r 8080,9000-9100 --outbound-ports-to-ignore 443,6443 ' +
    '--inbound-ports-to-ignore 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33-40,50-60 ' +
    '--subnets-to-ignore 10.1.2.3/8,fd00::/8,192.0.2.7';
  matchGolden('everything-ipv4', rules('ipv4', args));
  matchGolden('everything-ipv6', rules('ipv6', args));
});

test('no user is exempt with --proxy-uid 0, and no group by default', () => {
  assert.doesNotMatch(rules('ipv4', '--proxy-uid 0'), /owner/);
  assert.doesNotMatch(rules('ipv4'), /gid-owner/);
  assert.match(rules('ipv4', '--proxy-gid=0'), /--gid-owner 0 /);
});

test('a rule never names more than 15 ports, a range being two, and together they name exactly the ports given', () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 0, max: 40 }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 60 }), (ranges) => {
      const list = ranges.map(([first, more]) => `${first}-${Math.min(first + more, 65_535)}`).join(',');
      const text = rules('ipv4', `--inbound-ports-to-ignore=${list}`);
      const named = new Set<number>();
      for (const [, ports = ''] of text.matchAll(/--dports (\S+)/g)) {
        assert.ok(ports.split(/[,:]/).length <= 15);
        for (const part of ports.split(',')) {
          const [first = 0, last = first] = part.split(':').map(Number);
          for (let port = first; port <= last; port += 1) named.add(port);
        }
      }
      const wanted = new Set<number>();
      for (const [first, more] of ranges)
        for (let port = first; port <= Math.min(first + more, 65_535); port += 1) wanted.add(port);
      assert.deepEqual(named, wanted);
    }),
    { numRuns: 50 },
  );
});
