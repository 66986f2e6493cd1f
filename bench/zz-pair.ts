import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { destination } from '@mesh/proxy-api';
import { LOAD_CPU, pinned, startProgram, untilListening } from './lib/programs.ts';
import { runLoad } from './lib/load.ts';
import { endpoint, identityOf, RUNTIMES, startBackend, startControlPlane, startSidecar } from './proxy/sidecar.ts';
const cpu = (pids: readonly number[]) => pids.reduce((sum, pid) => { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); return sum + Number(f[11]) + Number(f[12]); }, 0) * 10_000;
await using stack = new AsyncDisposableStack();
const PORT = 18080;
const base = process.argv[2] ?? '127.8.1';
const hints = (process.argv[3] ?? 'unknown').split(',');
const rounds = Number(process.argv[4] ?? 3);
const backendFile = fileURLToPath(new URL('./lib/backend.ts', import.meta.url));
const b = stack.use(startProgram(pinned(LOAD_CPU, [process.execPath, backendFile, `${base}.200`, String(PORT)])));
await untilListening(`${base}.200`, PORT, b);
const rows: { name: string; ip: string; pids: number[]; us: number[]; rps: number[] }[] = [];
let n = 0;
for (const runtime of RUNTIMES) {
  if (!(process.env['RT'] ?? 'bun,node').split(',').includes(runtime.name)) continue;
  { const plane = await startControlPlane(stack); plane.endpoints = [endpoint({ host: `${base}.200`, port: PORT })]; n += 1;
    const ip = `${base}.${n}`; const s = await startSidecar(stack, runtime, plane, 'web', ip); rows.push({ name: `${runtime.name} hop`, ip, pids: [s.pid], us: [], rps: [] }); }
  for (const hint of hints) {
    const plane = await startControlPlane(stack); n += 1; const server = `${base}.${n}`; n += 1; const client = `${base}.${n}`;
    const e = endpoint({ host: server, port: PORT }, { identity: identityOf('catalog'), sidecar: server });
    const withHint = hint === 'h2' ? destination.WeightedAddr.fromPartial({ ...e, protocolHint: { ...e.protocolHint, protocol: { $case: 'h2', value: {} } } }) : e;
    plane.endpoints = [withHint];
    await startBackend(stack, server, PORT);
    const back = await startSidecar(stack, runtime, plane, 'catalog', server);
    const front = await startSidecar(stack, runtime, plane, 'web', client);
    rows.push({ name: `${runtime.name} pair ${hint}`, ip: client, pids: [front.pid, back.pid], us: [], rps: [] });
  }
}
const load = (ip: string, s: number) => runLoad({ host: ip, port: 4140, path: '/', connections: 32, durationS: s });
for (const r of rows) await load(r.ip, 2);
for (let i = 0; i < rounds; i += 1) for (const r of rows) { const c = cpu(r.pids); const got = await load(r.ip, 3); r.us.push((cpu(r.pids) - c) / got.requests); r.rps.push(got.rps); if (got.errors) console.log('errors', r.name, got.errors); }
const med = (x: number[]) => x.toSorted((a, b) => a - b)[Math.floor(x.length / 2)]!;
for (const r of rows) console.log(r.name.padEnd(20), 'us/req', med(r.us).toFixed(1), 'rps', med(r.rps).toFixed(0));
