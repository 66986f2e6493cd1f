/**
 * The layer table of ARCHITECTURE.md as a check: every dependency that a package declares and every
 * import in its files must be an edge of the table, deep imports past a package's door are refused,
 * and the packages of the bottom layer may not touch Node's I/O.
 *
 * Usage: tools/check-layers.ts; prints one line per violation, exit code 1 if there is any.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');

const L0 = ['model', 'wire'];
const L1 = ['runtime', 'pki', 'proxy-api'];
const L2 = ['kube', 'net', 'control-client'];

/** Who may import whom. Adding an edge needs a line in an ADR (docs/adr). */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  model: [],
  wire: [],
  runtime: L0,
  pki: [...L0, 'runtime'],
  'proxy-api': [],
  kube: [...L0, ...L1],
  net: [...L0, ...L1],
  'control-client': [...L0, ...L1, 'net'],
  proxy: [...L0, ...L1, ...L2],
  'proxy-init': [...L0, 'runtime', 'net'],
  gateway: [...L0, ...L1, ...L2, 'proxy'],
  mirror: [...L0, ...L1, ...L2],
  'clusterset-dns': ['model', 'runtime', 'kube'],
  'control-plane': [...L0, ...L1, ...L2],
  // The pure injection function is the product of control-plane; the command line prints its result (ADR 0002).
  cli: [...L0, ...L1, ...L2, 'control-plane/inject'],
  'embedded-cluster': ['runtime', 'pki'],
};

/** Modules that mean I/O; `model` and `wire` must run without any of them. */
const IO_MODULES =
  /^(?:node:)?(?:net|tls|http|https|http2|dgram|dns|fs|child_process|worker_threads|process|os|timers)(?:\/|$)/;
/** In these the sockets of the data path would bypass `net`. */
const DATA_PATH_ONLY_NET = ['proxy', 'gateway', 'control-client'];
const SOCKET_MODULES = /^(?:node:)?(?:net|tls|http2|dgram)$/;
/** Never in the sidecar: 9 MB of private memory each (ADR 0001). */
const HEAVY = /^(?:@grpc\/grpc-js|@kubernetes\/client-node)/;
const NO_HEAVY = ['model', 'wire', 'runtime', 'net', 'control-client', 'proxy', 'pki', 'proxy-api', 'proxy-init'];

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

/** Every module specifier that a source text imports, in order. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** What is wrong with one import of one file, or undefined. */
export function violation(owner: string, specifier: string, isTest: boolean): string | undefined {
  const own = /^@mesh\/([^/]+)(?:\/(.+))?$/.exec(specifier);
  if (own !== null) {
    const [, target = '', door] = own;
    if (target === owner) return `imports itself by name (${specifier}): use a relative path`;
    const allowed = LAYERS[owner] ?? [];
    const edge = door === undefined || door === 'testing' ? target : `${target}/${door}`;
    if (door === 'testing' && !isTest) return `imports the test door ${specifier} outside of tests`;
    if (specifier === '@mesh/runtime/admin' && NO_HEAVY.includes(owner))
      return `may not load ${specifier}: the sidecar runs it`;
    const fits = allowed.includes(target) || allowed.includes(edge);
    return fits ? undefined : `may not import ${specifier} (allowed: ${allowed.join(', ') || 'nothing'})`;
  }
  if (isTest) return undefined;
  if (L0.includes(owner) && IO_MODULES.test(specifier)) return `may not do I/O (${specifier})`;
  if (DATA_PATH_ONLY_NET.includes(owner) && SOCKET_MODULES.test(specifier))
    return `must open sockets through @mesh/net (${specifier})`;
  if (NO_HEAVY.includes(owner) && owner !== 'runtime' && specifier === 'prom-client')
    return `may not load ${specifier}: the sidecar runs it`;
  if (NO_HEAVY.includes(owner) && HEAVY.test(specifier)) return `may not load ${specifier}: the sidecar runs it`;
  return undefined;
}

function checkPackage(owner: string): string[] {
  const problems: string[] = [];
  const folder = join(ROOT, 'packages', owner);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  const declared = new Set(Object.keys(manifest.dependencies ?? {}));
  for (const file of globSync('{src,test,bench}/**/*.ts', { cwd: folder })) {
    const isTest = /(?:^|\/)(?:test|testing|bench)\/|\.(?:test|fuzz)\.ts$/.test(file);
    for (const specifier of importsOf(readFileSync(join(folder, file), 'utf8'))) {
      const problem = violation(owner, specifier, isTest);
      if (problem !== undefined) problems.push(`packages/${owner}/${file}: ${problem}`);
      const target = /^@mesh\/[^/]+/.exec(specifier)?.[0];
      if (!isTest && target !== undefined && !declared.has(target)) {
        problems.push(
          `packages/${owner}/${file}: imports ${target}, which packages/${owner}/package.json does not list`,
        );
      }
    }
  }
  for (const dependency of declared) {
    const target = dependency.replace('@mesh/', '');
    const allowed = (LAYERS[owner] ?? []).map((edge) => edge.split('/')[0]);
    if (dependency.startsWith('@mesh/') && !allowed.includes(target)) {
      problems.push(`packages/${owner}/package.json: may not depend on ${dependency}`);
    }
  }
  return problems;
}

/** All violations of the tree, and packages that the table does not know. */
export function checkLayers(): string[] {
  const present = globSync('packages/*/package.json', { cwd: ROOT }).map((file) => file.split('/')[1] ?? '');
  const unknown = present.filter((name) => !(name in LAYERS)).map((name) => `packages/${name}: not in the layer table`);
  const known = Object.keys(LAYERS).filter((name) => existsSync(join(ROOT, 'packages', name, 'package.json')));
  return [...unknown, ...known.flatMap(checkPackage)];
}

if (import.meta.main) {
  const problems = checkLayers();
  for (const problem of problems) console.log(problem);
  console.log(problems.length === 0 ? 'layers: ok' : `layers: ${problems.length} violations`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
