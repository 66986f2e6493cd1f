/**
 * The certificates of an mTLS pair, made for one benchmark run: an ECDSA P-256 anchor and two leaves, as files in
 * the forms that the rivals read.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface LeafFiles {
  readonly name: string;
  readonly key: string;
  readonly chain: string;
  readonly keyAndChain: string;
  readonly trust: string;
}

export interface BenchCertificates {
  readonly client: LeafFiles;
  readonly server: LeafFiles;
  /** The server's DNS name, which its certificate carries. */
  readonly serverName: string;
  readonly anchor: { readonly certificate: string; readonly key: string };
  remove(): void;
}

function openssl(args: readonly string[]): void {
  const result = spawnSync('openssl', args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`openssl ${args[0] ?? ''}: ${result.error?.message ?? result.stderr}`);
}

/** Identities as workloads have them, so that names have a realistic length. */
const identity = (account: string): string => `${account}.bench.serviceaccount.identity.linkerd.cluster.local`;

export async function createBenchCertificates(): Promise<BenchCertificates> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-certs-'));
  const path = (name: string): string => join(folder, name);
  const newKey = (name: string): void =>
    openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', path(name)]);
  newKey('anchor.key');
  openssl([
    'req',
    '-x509',
    '-new',
    '-key',
    path('anchor.key'),
    '-subj',
    '/CN=bench-anchor',
    '-days',
    '2',
    '-out',
    path('anchor.crt'),
  ]);
  const leaf = (account: string): LeafFiles => {
    const name = identity(account);
    newKey(`${account}.key`);
    writeFileSync(
      path(`${account}.ext`),
      `subjectAltName=DNS:${name}\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    // The common name is limited to 64 characters; names live in the SAN.
    openssl(['req', '-new', '-key', path(`${account}.key`), '-subj', `/CN=${account}`, '-out', path(`${account}.csr`)]);
    const sign = [
      'x509',
      '-req',
      '-in',
      path(`${account}.csr`),
      '-CA',
      path('anchor.crt'),
      '-CAkey',
      path('anchor.key'),
      '-CAcreateserial',
    ];
    openssl([...sign, '-days', '1', '-extfile', path(`${account}.ext`), '-out', path(`${account}.crt`)]);
    writeFileSync(
      path(`${account}.pem`),
      readFileSync(path(`${account}.crt`), 'utf8') + readFileSync(path(`${account}.key`), 'utf8'),
      { mode: 0o600 },
    );
    return {
      name,
      key: path(`${account}.key`),
      chain: path(`${account}.crt`),
      keyAndChain: path(`${account}.pem`),
      trust: path('anchor.crt'),
    };
  };
  const client = leaf('client');
  const server = leaf('server');
  return {
    client,
    server,
    serverName: server.name,
    anchor: { certificate: path('anchor.crt'), key: path('anchor.key') },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
