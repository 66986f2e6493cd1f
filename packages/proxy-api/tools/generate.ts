/**
 * Generates `src/gen` from `proto` with buf and ts-proto; the formatter leaves that folder alone.
 *
 *   node packages/proxy-api/tools/generate.ts            write
 *   node packages/proxy-api/tools/generate.ts --check    exit 1 when the committed files differ
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE_DIR = dirname(dirname(fileURLToPath(import.meta.url)));
const GEN_DIR = join(PACKAGE_DIR, 'src', 'gen');

/** Options of ts-proto. */
const OPTIONS = [
  // The 64-bit halves of an IPv6 address and stream ids exceed 2^53: bigint, never rounded numbers.
  'forceLong=bigint',
  'oneof=unions-value',
  // Erasable syntax: constant objects and unions instead of enums.
  'enumsAsLiterals=true',
  'unrecognizedEnum=false',
  'importSuffix=.ts',
  'esModuleInterop=true',
  'outputServices=generic-definitions',
  'outputJsonMethods=false',
  'outputPartialMethods=true',
  'exportCommonSymbols=false',
  'annotateFilesWithVersion=false',
];

const require = createRequire(import.meta.url);

/** Generates into `outDir`. */
export function generate(outDir: string): void {
  const binDir = join(packageRoot('@bufbuild/buf'), '..', '..', '.bin');
  const env = { ...process.env, PATH: `${binDir}${delimiter}${process.env['PATH'] ?? ''}` };
  execFileSync(join(binDir, 'buf'), ['generate', '--template', JSON.stringify(template(outDir))], {
    cwd: PACKAGE_DIR,
    env,
    stdio: 'inherit',
  });
}

/** The names of generated files that differ from the committed ones. */
export function staleFiles(): readonly string[] {
  const temporary = mkdtempSync(join(tmpdir(), 'proxy-api-'));
  try {
    const outDir = join(temporary, 'gen');
    generate(outDir);
    const names = new Set([...listFiles(outDir), ...listFiles(GEN_DIR)]);
    return [...names].filter((name) => readOrEmpty(join(outDir, name)) !== readOrEmpty(join(GEN_DIR, name)));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function template(out: string): object {
  return {
    version: 'v2',
    plugins: [{ local: 'protoc-gen-ts_proto', out, strategy: 'all', include_imports: true, opt: OPTIONS }],
  };
}

function packageRoot(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}

function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const stale = staleFiles();
    for (const name of stale)
      process.stderr.write(`stale: packages/proxy-api/src/gen/${name} (run npm run generate)\n`);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else {
    generate(GEN_DIR);
  }
}
