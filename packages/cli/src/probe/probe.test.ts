import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { runClient, sidecarReport } from './client.ts';
import { formatReport, parseReports } from './report.ts';
import type { ProbeReport } from './report.ts';
import { startServer } from './server.ts';

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function listen(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  t.after(() => (server.close(), server.closeAllConnections()));
  return urlOf(server);
}

async function reportOf(
  url: string,
  adminUrl = '',
  startTimeoutMs = 5000,
): Promise<{ readonly good: boolean; readonly report: ProbeReport }> {
  const reports: ProbeReport[] = [];
  const targets = [{ name: 'local', url }];
  const onReport = (report: ProbeReport) => void reports.push(report);
  const good = await runClient({ targets, requests: 5, startTimeoutMs, adminUrl, onReport });
  const [report] = reports;
  assert.ok(report);
  return { good, report };
}

test('the client reports what the server and its own sidecar saw', async (t) => {
  const server = await startServer({ pod: 'server-1', port: 0 });
  t.after(() => (server.close(), server.closeAllConnections()));
  let scrapes = 0;
  const admin = await listen(t, (_request, response) => {
    scrapes += 1;
    response.end(
      `request_total{direction="inbound",tls="no_identity"} ${scrapes}\nrequest_total{direction="outbound",tls="true",server_id="server.ns"} ${scrapes * 6}\n`,
    );
  });
  const { good, report } = await reportOf(urlOf(server), admin);
  assert.equal(good, true);
  assert.deepEqual(
    { ...report, url: '', latencyMs: undefined },
    {
      target: 'local',
      url: '',
      answered: 5,
      failed: 0,
      latencyMs: undefined,
      status: 200,
      httpVersion: '1.1',
      server: { pod: 'server-1', clientIdentity: '', httpVersion: '1.1' },
      sidecar: { tls: 'true', serverIdentity: 'server.ns' },
    },
  );
  assert.ok((report.latencyMs?.p50 ?? -1) >= 0 && (report.latencyMs?.p99 ?? -1) >= (report.latencyMs?.p50 ?? 0));
});

test('the server tells the identity that its sidecar verified', async (t) => {
  const server = await startServer({ pod: 'server-1', port: 0 });
  t.after(() => (server.close(), server.closeAllConnections()));
  const response = await fetch(urlOf(server), { headers: { 'l5d-client-id': 'client.ns' } });
  assert.equal(((await response.json()) as { clientIdentity: string }).clientIdentity, 'client.ns');
});

test('a target that answers later is waited for, and failures after that are counted', async (t) => {
  let requests = 0;
  const url = await listen(t, (_request, response) => {
    requests += 1;
    if (requests <= 2) response.writeHead(504, { 'l5d-proxy-error': 'service in fail-fast' });
    else if (requests === 4) response.writeHead(500);
    response.end();
  });
  const { good, report } = await reportOf(url);
  assert.equal(good, false);
  assert.deepEqual([report.answered, report.failed, report.error], [4, 1, 'status 500']);
});

test('without an answer the last cause is told: no connection, or the word of a proxy', async (t) => {
  const url = await listen(t, (_request, response) => {
    response.writeHead(403, { 'l5d-proxy-error': 'unauthorized request on route' });
    response.end();
  });
  assert.equal((await reportOf(url, '', 0)).report.error, 'status 403 from the proxy: unauthorized request on route');
  assert.match((await reportOf('http://127.0.0.1:1/', '', 0)).report.error ?? '', /ECONNREFUSED/);
});

test('one series without TLS among those that grew is what the sidecar report shows', () => {
  const sample = (value: number, labels: Record<string, string>) => ({ name: 'request_total', value, labels });
  const plain = { tls: 'no_identity', no_tls_reason: 'not_provided_by_service_discovery' };
  const secure = { tls: 'true', server_id: 'server' };
  assert.deepEqual(sidecarReport([sample(3, plain)], [sample(3, plain), sample(5, secure)]), {
    tls: 'true',
    serverIdentity: 'server',
  });
  assert.deepEqual(sidecarReport([], [sample(5, secure), sample(1, plain)]), {
    tls: 'no_identity',
    reason: 'not_provided_by_service_discovery',
    serverIdentity: '',
  });
  assert.equal(sidecarReport([sample(1, secure)], [sample(1, secure)]), undefined);
});

test('reports are found among other lines of a log', () => {
  const report: ProbeReport = { target: 'local', url: 'http://x/', answered: 1, failed: 0 };
  const log = `warning: something\n${formatReport(report)}{"kind":"mesh-probe"}\n{"mesh-probe\n`;
  assert.deepEqual(
    parseReports(log).map(({ target, answered }) => ({ target, answered })),
    [{ target: 'local', answered: 1 }],
  );
});
