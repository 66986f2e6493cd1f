/** What `kubectl port-forward` and `mesh identity` reach: the inbound port over the pod's own loopback interface. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { identityName, httpApp, TestAnchor, TestProxy } from './harness.ts';

async function overLoopback(): Promise<{ anchor: TestAnchor; proxy: TestProxy }> {
  const anchor = await TestAnchor.create('root');
  const proxy = await new TestProxy('127.0.43.1', 'app').start(anchor);
  proxy.inboundDestination = { ip: '127.0.0.1', port: proxy.inbound.port };
  return { anchor, proxy };
}

for (const [who, hasCertificate] of [
  ['with a certificate of the mesh', true],
  ['without one', false],
] as const) {
  test(`a client ${who} sees the sidecar's certificate there, and none of its bytes gets anywhere`, async () => {
    const { anchor, proxy } = await overLoopback();
    await using _ = proxy;
    let requests = 0;
    const app = await httpApp(proxy.ip, (_req, res) => {
      requests += 1;
      res.end();
    });
    const { key, chain, trust } = await anchor.material({ dns: [identityName('web')] });
    const socket = connect({
      host: proxy.inbound.ip,
      port: proxy.inbound.port,
      servername: proxy.identity.name,
      ca: trust,
      ...(hasCertificate ? { key, cert: chain } : {}),
    });
    // The refusal is a reset, or an alert: both are errors here.
    socket.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    await once(socket, 'secureConnect');
    assert.equal(socket.getPeerCertificate().subjectaltname, `DNS:${identityName('app')}`);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.write(`GET / HTTP/1.1\r\nhost: 127.0.0.1:${app.port}\r\n\r\n`);
    await closed;
    assert.deepEqual([answer, requests], ['', 0]);
    await app.close();
  });
}
