import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from './exec.ts';
import type { Facts } from './facts.ts';
import { readCapabilities } from './facts.ts';
import { runProxyInit } from './proxy-init.ts';

const ABLE: Facts = { uid: 0, netAdmin: 'granted', netRaw: 'granted', ipv6: true };
const OK: Outcome = { kind: 'exited', code: 0, stdout: '', stderr: '' };

interface Run {
  readonly code: number;
  readonly commands: readonly string[];
  readonly logs: string;
  readonly printed: string;
  readonly settings: readonly string[];
}

async function run(
  args: readonly string[],
  options: { facts?: Partial<Facts>; outcome?: (program: string) => Outcome; writable?: boolean } = {},
): Promise<Run> {
  const commands: string[] = [];
  const logs: string[] = [];
  const printed: string[] = [];
  const settings: string[] = [];
  const code = await runProxyInit(args, {
    exec: (program, programArgs) => {
      commands.push([program, ...programArgs].join(' '));
      return Promise.resolve(options.outcome?.(program) ?? OK);
    },
    facts: () => ({ ...ABLE, ...options.facts }),
    writeSetting: (path, value) => {
      if (options.writable === false) throw new Error('EROFS: read-only file system');
      settings.push(`${path}=${value}`);
    },
    print: (text) => printed.push(text),
    logs: (line) => logs.push(line),
  });
  return { code, commands, logs: logs.join('\n'), printed: printed.join('\n'), settings };
}

function failing(stderr: string, code = 1): Outcome {
  return { kind: 'exited', code, stdout: '', stderr };
}

test('each version of IP is read and then written, by programs of the back end', async () => {
  const { code, commands } = await run(['--iptables-mode', 'legacy']);
  assert.equal(code, 0);
  assert.deepEqual(commands, [
    'iptables-legacy-save -t nat',
    'iptables-legacy-restore --noflush --wait=30',
    'ip6tables-legacy-save -t nat',
    'ip6tables-legacy-restore --noflush --wait=30',
  ]);
});

test('paths win over the mode, and only the file name tells the version', async () => {
  const paths = ['--firewall-bin-path=/opt/iptables/iptables', '--firewall-save-bin-path=/opt/iptables/iptables-save'];
  const { commands } = await run([...paths, '--iptables-mode=legacy']);
  assert.deepEqual(commands, [
    '/opt/iptables/iptables-save -t nat',
    '/opt/iptables/iptables-restore --noflush --wait=30',
    '/opt/iptables/ip6tables-save -t nat',
    '/opt/iptables/ip6tables-restore --noflush --wait=30',
  ]);
});

test('without IPv6 in the kernel only IPv4 is redirected, with a warning', async () => {
  const { code, commands, logs } = await run([], { facts: { ipv6: false } });
  assert.equal(code, 0);
  assert.equal(commands.length, 2);
  assert.match(logs, /WARN .*no IPv6/);
  assert.equal((await run(['--ipv6=false'])).commands.length, 2);
});

test('--simulate prints and does nothing', async () => {
  const { code, commands, printed, settings } = await run(['--simulate', '--timeout-close-wait-secs', '30']);
  assert.deepEqual([code, commands, settings], [0, [], []]);
  assert.match(printed, /^iptables-nft-restore --noflush --wait=30 <<'RULES'\n\*nat\n/);
  assert.match(printed, /^ip6tables-nft-restore /m);
  assert.match(printed, /^echo 30 >\/proc\/sys\/net\/netfilter\/nf_conntrack_tcp_timeout_close_wait$/m);
});

test('--help prints the flags', async () => {
  const { code, printed } = await run(['--help']);
  assert.equal(code, 0);
  assert.match(printed, /-p, --incoming-proxy-port/);
});

test('the close-wait timeout is set after the rules; without the right to do so the fix is named', async () => {
  const args = ['--timeout-close-wait-secs=15'];
  const { settings } = await run(args);
  assert.deepEqual(settings, ['net/netfilter/nf_conntrack_tcp_timeout_close_wait=15']);
  const refused = await run(args, { writable: false });
  assert.equal(refused.code, 77);
  assert.match(refused.logs, /proxyInit\.privileged=true/);
});

test('every bad argument is named, with its value and what is wanted', async () => {
  const line =
    '--incoming-proxy-port 0 --proxy-uid=root --inbound-ports-to-ignore 80,9-3 --netns --subnets-to-ignore 10.0.0.0/33 ' +
    '--ipv6=yes --iptables-mode=bpf --log-level=loud --proxy-gid';
  const { code, commands, logs } = await run(line.split(' '));
  assert.equal(code, 64);
  assert.deepEqual(commands, []);
  for (const problem of [
    '--incoming-proxy-port: "0" is not a number from 1 to 65535',
    '--proxy-uid: "root" is not a number',
    '--inbound-ports-to-ignore: "9-3" is not a port',
    '--subnets-to-ignore: "10.0.0.0/33" is not a network',
    '--ipv6: "yes" is not true or false',
    '--iptables-mode: "bpf" is not one of nft, legacy, plain',
    '--log-level: "loud" is not one of',
    '--proxy-gid needs a value',
    '"--netns" is not an argument',
  ])
    assert.ok(logs.includes(problem), `${problem} is not in:\n${logs}`);
});

test('both listeners on one port are refused', async () => {
  const { code, logs } = await run(['-p', '4140']);
  assert.equal(code, 64);
  assert.match(logs, /another port than --incoming-proxy-port/);
});

test('lists may be given in several flags', async () => {
  const { printed } = await run(['--inbound-ports-to-ignore=80', '--inbound-ports-to-ignore=90', '--simulate']);
  assert.match(printed, /--dports 80,90 /);
});

const FAILURES: readonly {
  readonly about: string;
  readonly outcome: Outcome;
  readonly facts?: Partial<Facts>;
  readonly args?: readonly string[];
  readonly code: number;
  readonly says: RegExp;
}[] = [
  {
    about: 'a program that is not there',
    outcome: { kind: 'not_started', errno: 'ENOENT' },
    code: 69,
    says: /iptables-nft-save: not found.*proxyInit\.iptablesMode/,
  },
  {
    about: 'a container without the capability',
    outcome: failing(
      'iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)',
      4,
    ),
    facts: { uid: 65_534, netAdmin: 'missing', netRaw: 'missing' },
    code: 77,
    says: /lacks the capability NET_ADMIN and NET_RAW/,
  },
  {
    about: 'a table that the legacy program cannot open without NET_RAW',
    outcome: failing("iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'nat'", 2),
    facts: { netRaw: 'missing' },
    code: 77,
    says: /lacks the capability NET_RAW:/,
  },
  {
    about: 'a user whose programs carry no capabilities',
    outcome: failing('Could not fetch rule set generation id: Permission denied (you must be root)', 4),
    facts: { uid: 65_534, netAdmin: 'withheld', netRaw: 'withheld' },
    code: 77,
    says: /user 65534 .*proxyInit\.runAsRoot=true/,
  },
  {
    about: 'root that a security module holds back',
    outcome: failing('Operation not permitted', 1),
    code: 77,
    says: /AppArmor/,
  },
  {
    about: 'a kernel without the table',
    outcome: failing('iptables-save v1.8.9 (legacy): Cannot initialize: Table does not exist (do you need to insmod?)'),
    code: 69,
    says: /kernel lacks what IPv4 redirection needs/,
  },
  {
    about: 'a kernel without a match',
    outcome: failing('Warning: Extension multiport revision 0 not supported, missing kernel module?', 4),
    code: 69,
    says: /multiport, owner and comment/,
  },
  {
    about: 'an image without a plug-in',
    outcome: failing(
      "iptables-nft-restore v1.8.9 (nf_tables): Couldn't load match `owner':No such file or directory",
      2,
    ),
    code: 69,
    says: /a plug-in of iptables is missing in the image/,
  },
  {
    about: 'a lock that cannot be taken',
    outcome: failing("Fatal: can't open lock file /run/xtables.lock: Permission denied", 4),
    code: 75,
    says: /mount a writable volume at \/run/,
  },
  {
    about: 'a program that hangs',
    outcome: { kind: 'timed_out', stderr: '' },
    code: 75,
    says: /gave no answer within 60 s/,
  },
  { about: 'anything else', outcome: failing('bad things', 3), code: 1, says: /failed with exit code 3.*bad things/ },
];

for (const { about, outcome, facts = {}, code, says } of FAILURES) {
  test(`${about} is told apart, and the fix named`, async () => {
    const result = await run(['--ipv6=false'], { outcome: () => outcome, facts });
    assert.equal(result.code, code, result.logs);
    assert.match(result.logs, says);
  });
}

test('a kernel without NAT for IPv6 names the way to go without', async () => {
  const outcome = (program: string): Outcome =>
    program.startsWith('ip6') ? failing("can't initialize ip6tables table `nat': Table does not exist") : OK;
  const { code, logs } = await run([], { outcome });
  assert.equal(code, 69);
  assert.match(logs, /disableIPv6=true/);
});

test('capabilities are read from the status of the process', () => {
  const status = (effective: string, bounding: string): string =>
    `Name:\tinit\nCapEff:\t${effective}\nCapBnd:\t${bounding}\nCapAmb:\t0000000000000000\n`;
  assert.deepEqual(readCapabilities(status('0000000000003000', '0000000000003000')), {
    netAdmin: 'granted',
    netRaw: 'granted',
  });
  assert.deepEqual(readCapabilities(status('0000000000000000', '0000000000001000')), {
    netAdmin: 'withheld',
    netRaw: 'missing',
  });
});
