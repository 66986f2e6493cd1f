/**
 * h1spec: a HTTP/1.1 server's parser and robustness, through the sidecar on either side. It is one file of a Git repository, written for Deno;
 * here it runs on Node with the five functions of Deno that it uses. `MESH_H1SPEC` may name the file where the repository cannot be reached.
 */
import { createServer } from 'node:http';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DIST, gitCheckout, run } from '../programs.ts';
import type { CaseResult, SuiteResult } from '../result.ts';
import { SIDES } from '../sidecars.ts';

const REPOSITORY = 'https://github.com/uNetworking/h1spec';
const COMMIT = '57dd3139398c15f2ecd714b70e6af1309830e419';

/** What the suite uses of Deno, on node:net. */
const SHIM = `import { connect } from 'node:net';
globalThis.Deno = {
  args: process.argv.slice(3),
  exit: (code) => process.exit(code),
  connect: ({ hostname, port }) => new Promise((resolve, reject) => {
    const socket = connect(port, hostname);
    const chunks = [];
    let wake = () => undefined;
    let over = false;
    let given = false;
    socket.on('data', (chunk) => { chunks.push(chunk); wake(); });
    socket.on('close', () => { over = true; wake(); });
    socket.on('error', reject);
    socket.on('connect', () => resolve({
      write: (bytes) => new Promise((done) => socket.write(bytes, () => done(bytes.length))),
      close: () => { given = true; socket.destroy(); },
      async read(into) {
        while (chunks.length === 0 && !over) await new Promise((done) => { wake = done; });
        if (given) throw new Error('closed by the suite itself');
        const chunk = chunks.shift();
        if (chunk === undefined) return null;
        into.set(chunk.subarray(0, into.length));
        return Math.min(chunk.length, into.length);
      },
    }));
  }),
};
await import(process.argv[2]);
`;

export async function h1spec(): Promise<SuiteResult[]> {
  const file = await suiteFile();
  if (typeof file !== 'string') return [{ suite: 'h1spec', target: 'the sidecar', cases: [], skipped: file.missing }];
  // Gives back what it got: the suite looks at bodies too.
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = chunks.length === 0 ? Buffer.from('ok\n') : Buffer.concat(chunks);
      response.writeHead(200, { 'content-length': String(body.length) }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const results: SuiteResult[] = [];
  for (const [name, start] of SIDES) {
    await using proxy = await start(address);
    results.push({
      suite: 'h1spec',
      target: `the sidecar, ${name}`,
      cases: await runSuite(file, proxy.entry.host, proxy.entry.port),
    });
  }
  server.closeAllConnections();
  server.close();
  return results;
}

async function runSuite(file: string, host: string, port: number): Promise<CaseResult[]> {
  mkdirSync(DIST, { recursive: true });
  const shim = join(DIST, 'h1spec-on-node.mjs');
  writeFileSync(shim, SHIM);
  const { output } = await run(
    [process.execPath, '--disable-warning=ExperimentalWarning', shim, file, host, String(port)],
    {
      timeoutMs: 60_000,
    },
  );
  const cases = output.split('\n').flatMap((line): CaseResult[] => {
    const match = /^(✅|❌) ([^:]*): (.*)$/u.exec(line);
    if (match === null) return [];
    const [, mark, name = '', detail = ''] = match;
    return [mark === '✅' ? { name, outcome: 'passed' } : { name, outcome: 'failed', detail }];
  });
  const total = /(\d+) out of (\d+) tests passed/.exec(output);
  if (total === null || Number(total[2]) !== cases.length)
    cases.push({ name: 'the suite as a whole', outcome: 'failed', detail: output.split('\n').slice(-5).join('\n') });
  return cases;
}

async function suiteFile(): Promise<string | { readonly missing: string }> {
  const given = process.env['MESH_H1SPEC'];
  if (given !== undefined) return existsSync(given) ? given : { missing: `MESH_H1SPEC: there is no file ${given}` };
  const folder = await gitCheckout('h1spec', REPOSITORY, COMMIT);
  return typeof folder === 'string' ? join(folder, 'http_test.ts') : folder;
}
