/** proxy-init against a real kernel: who is redirected, who is not, and where the kernel says the connection was going. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bunBinary } from '@mesh/runtime/testing';
import { networkMissing, PEER, POD, PodNetwork } from '../src/testing/network.ts';
import type { Agent, ProgramResult } from '../src/testing/network.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const VALIDATOR = fileURLToPath(new URL('../src/validator-main.ts', import.meta.url));
/** What Linkerd's injector gives, and a range. */
const ARGS = [
  '--incoming-proxy-port=4143 --outgoing-proxy-port=4140 --proxy-uid=2102',
  '--inbound-ports-to-ignore=4190,4191,4567,4568 --outbound-ports-to-ignore=4567,4568,9000-9010',
].flatMap((line) => line.split(' '));
const PROXY_UID = 2102;

for (const [backend, runtime, binary] of [
  ['nft', 'Bun', bunBinary()],
  ['legacy', 'Node', process.execPath],
] as const) {
  const skip = binary === undefined ? 'no Bun binary for this platform' : networkMissing(backend);
  describe(`proxy-init on ${runtime} with iptables-${backend}`, { skip, timeout: 90_000 }, () => {
    let net: PodNetwork;
    let app: Agent;
    let proxy: Agent;
    const firewall = [`--firewall-bin-path=iptables-${backend}`, `--firewall-save-bin-path=iptables-${backend}-save`];
    const init = (...args: readonly string[]): Promise<ProgramResult> =>
      net.inPod([binary ?? '', MAIN, ...firewall, ...args]);
    const saved = async (program: string): Promise<string> => {
      const { stdout } = await net.inPod([`${program}-${backend}-save`, '-t', 'nat']);
      return stdout.replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '');
    };

    before(async () => {
      net = new PodNetwork();
      await net.open();
      app = net.pod;
      proxy = await net.podUser(PROXY_UID);
      for (const ip of ['0.0.0.0', '::']) {
        await app.order({ listen: ip === '::' ? POD.ipv6 : POD.ipv4, port: 8080, name: 'app' });
        await app.order({ listen: ip === '::' ? '::1' : '127.0.0.1', port: 8080, name: 'local-app' });
        await app.order({ listen: ip === '::' ? POD.ipv6 : POD.ipv4, port: 4191, name: 'admin' });
        const peerIp = ip === '::' ? PEER.ipv6 : PEER.ipv4;
        for (const port of [80, 4567, 9005]) await net.peer.order({ listen: peerIp, port, name: 'peer' });
      }
      await proxy.order({ listen: '::', port: 4143, name: 'inbound' });
      await proxy.order({ listen: '127.0.0.1', port: 4140, name: 'outbound' });
      await proxy.order({ listen: '::1', port: 4140, name: 'outbound' });
    });
    after(() => net.close());

    it('changes nothing with --simulate', async () => {
      const { code, stdout } = await init(...ARGS, '--simulate');
      assert.equal(code, 0);
      assert.match(stdout, /PROXY_INIT_REDIRECT/);
      assert.doesNotMatch(await saved('iptables'), /PROXY_INIT/);
      assert.equal(await net.peer.dial(POD.ipv4, 8080), `app ${POD.ipv4} 8080`);
    });

    it('ends with code 0', async () => {
      const { code, stderr } = await init(...ARGS);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /INFO {2}TCP connections are redirected family="ipv4"/);
    });

    for (const family of ['ipv4', 'ipv6'] as const) {
      const pod = POD[family];
      const peer = PEER[family];
      const loopback = family === 'ipv4' ? '127.0.0.1' : '::1';

      it(`redirects inbound ${family}`, async () => {
        assert.equal(await net.peer.dial(pod, 8080), `inbound ${pod} 8080`);
        assert.equal(await net.peer.dial(pod, 1), `inbound ${pod} 1`, 'also where nobody listens');
        assert.equal(await net.peer.dial(pod, 4143), `inbound ${pod} 4143`, 'dialled directly: its own address');
      });

      it(`redirects outbound ${family}`, async () => {
        assert.equal(await app.dial(peer, 80), `outbound ${peer} 80`);
        assert.equal(
          await app.dial(family === 'ipv4' ? '198.51.100.7' : 'fd77::7', 443),
          family === 'ipv4' ? 'outbound 198.51.100.7 443' : 'outbound fd77::7 443',
        );
      });

      it(`leaves ignored ports of ${family} alone`, async () => {
        assert.equal(await net.peer.dial(pod, 4191), `admin ${pod} 4191`);
        assert.equal(await app.dial(peer, 4567), `peer ${peer} 4567`);
        assert.equal(await app.dial(peer, 9005), `peer ${peer} 9005`, 'in a range');
      });

      it(`leaves the proxy's own connections and loopback of ${family} alone`, async () => {
        assert.equal(await proxy.dial(peer, 80), `peer ${peer} 80`);
        assert.equal(await proxy.dial(pod, 8080), `app ${pod} 8080`);
        assert.equal(await app.dial(loopback, 8080), `local-app ${loopback} 8080`);
        assert.equal(await app.dial(pod, 8080), `app ${pod} 8080`, 'the pod to itself');
      });
    }

    it('shows the loop: who dials the outbound port finds its own address', async () => {
      assert.equal(await app.dial('127.0.0.1', 4140), 'outbound 127.0.0.1 4140');
    });

    it('lets the network validator pass, and fail without rules', async () => {
      const validator = (port: number): Promise<ProgramResult> =>
        net.inPod([
          binary ?? '',
          VALIDATOR,
          '--listen-addr',
          `0.0.0.0:${port}`,
          '--connect-addr',
          '10.9.0.77:20001',
          '--timeout',
          '3s',
        ]);
      assert.equal((await init(...ARGS, '-o', '5140')).code, 0);
      assert.equal((await validator(5140)).code, 0);
      assert.equal((await validator(5141)).code, 95, 'redirected to another port');
    });

    it('run again, changes nothing; with other arguments, only its own chains', async () => {
      await net.inPod([`iptables-${backend}`, '-t', 'nat', '-A', 'PREROUTING', '-p', 'udp', '-j', 'ACCEPT']);
      assert.equal((await init(...ARGS)).code, 0);
      const first = [await saved('iptables'), await saved('ip6tables')];
      assert.equal((await init(...ARGS)).code, 0);
      assert.deepEqual([await saved('iptables'), await saved('ip6tables')], first);
      assert.equal((await init(...ARGS, '--subnets-to-ignore', `${PEER.ipv4}/32,${PEER.ipv6}/128`)).code, 0);
      assert.match(await saved('iptables'), /-A PREROUTING -p udp -j ACCEPT/);
      assert.equal(await net.peer.dial(POD.ipv4, 8080), `app ${POD.ipv4} 8080`, 'from an ignored network');
      assert.equal(await net.peer.dial(POD.ipv6, 8080), `app ${POD.ipv6} 8080`, 'from an ignored network');
    });

    it('redirects only listed ports when there are any', async () => {
      assert.equal((await init(...ARGS, '--ports-to-redirect', '8000-8100')).code, 0);
      assert.equal(await net.peer.dial(POD.ipv4, 8080), `inbound ${POD.ipv4} 8080`);
      assert.equal(await net.peer.dial(POD.ipv4, 9999), 'ECONNREFUSED');
    });

    it('sets how long half-closed connections are remembered', async () => {
      assert.equal((await init(...ARGS, '--timeout-close-wait-secs', '77')).code, 0);
      const { stdout } = await net.inPod(['cat', '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait']);
      assert.equal(stdout.trim(), '77');
    });

    // The legacy program locks a file in /run, which is a volume of the pod; here it belongs to root.
    it('as the user of the init container, with its two capabilities', { skip: backend === 'legacy' }, async () => {
      const grant = ['--inh-caps=+net_admin,+net_raw', '--ambient-caps=+net_admin,+net_raw', '--no-new-privs'];
      const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...grant];
      const { code, stderr } = await net.inPod([...user, binary ?? '', MAIN, ...firewall, ...ARGS]);
      assert.equal(code, 0, stderr);
    });

    it('without the capability it says so, and how to get it', async () => {
      const drop = ['setpriv', '--bounding-set=-net_admin,-net_raw', binary ?? '', MAIN, ...firewall, ...ARGS];
      const { code, stderr } = await net.inPod(drop);
      assert.equal(code, 77, stderr);
      assert.match(stderr, /lacks the capability NET_ADMIN and NET_RAW/);
    });

    it('a back end that is not in the image is told', async () => {
      const { code, stderr } = await init(
        ...ARGS,
        '--firewall-bin-path=iptables-none',
        '--firewall-save-bin-path=iptables-none-save',
      );
      assert.equal(code, 69, stderr);
      assert.match(stderr, /iptables-none-save: not found/);
    });
  });
}
