import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { TestContext } from 'node:test';
import test from 'node:test';
import { formatResolveReport, parseQuestion, parseResolveReports, runResolve } from './resolve.ts';
import type { ResolveQuestion, ResolveReport } from './resolve.ts';

/** A name server that knows one text, and denies everything `deniedFirst` times. */
async function nameServer(t: TestContext, deniedFirst: number): Promise<string> {
  const socket = createSocket('udp4');
  let denied = 0;
  socket.on('message', (query, peer) => {
    const end = query.indexOf(0, 12) + 5;
    const deny = denied < deniedFirst || query[end - 3] !== 16;
    denied += 1;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(deny ? 0x8183 : 0x8180, 2);
    header.writeUInt16BE(deny ? 0 : 1, 6);
    header.writeUInt16BE(0, 10);
    const record = Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 5, 0, 6, 5, ...Buffer.from('1.0.0')]);
    socket.send(Buffer.concat([header, query.subarray(12, end), ...(deny ? [] : [record])]), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, '127.0.0.1', resolve);
  });
  t.after(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

async function reportsOf(server: string, questions: readonly ResolveQuestion[], timeoutMs: number) {
  const reports: ResolveReport[] = [];
  const onReport = (report: ResolveReport) => void reports.push(report);
  const good = await runResolve({ questions, timeoutMs, onReport, servers: [server] });
  return { good, reports };
}

const VERSION = { name: 'dns-version.clusterset.local', type: 'TXT' } as const;

test('a name that resolves is told with its records, also when it does only after a while', async (t) => {
  const found = [{ ...VERSION, records: ['1.0.0'] }];
  assert.deepEqual(await reportsOf(await nameServer(t, 0), [VERSION], 0), { good: true, reports: found });
  assert.deepEqual(await reportsOf(await nameServer(t, 1), [VERSION], 30_000), { good: true, reports: found });
});

test('a name that does not is told with the reason', async (t) => {
  const server = await nameServer(t, 0);
  const { good, reports } = await reportsOf(server, [VERSION, { name: 'web.clusterset.local', type: 'A' }], 0);
  assert.equal(good, false);
  assert.deepEqual(reports[1], { name: 'web.clusterset.local', type: 'A', error: 'ENOTFOUND' });
});

test('reports survive a log, and questions are checked', () => {
  const report: ResolveReport = { ...VERSION, records: ['1.0.0'] };
  const log = `noise\n${formatResolveReport(report)}{"kind":"mesh-resolve"\n`;
  assert.deepEqual(
    parseResolveReports(log).map(({ name, records }) => ({ name, records })),
    [{ name: VERSION.name, records: ['1.0.0'] }],
  );
  assert.deepEqual(parseQuestion('A:web.shop.svc.clusterset.local'), {
    name: 'web.shop.svc.clusterset.local',
    type: 'A',
  });
  for (const bad of ['', 'web', 'MX:web', 'A:', 'A:we b']) assert.equal(parseQuestion(bad), undefined);
});
