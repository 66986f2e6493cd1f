/**
 * Makes `npm ci` work on every platform from a lockfile that was written on one of them, or against a registry that
 * holds only some platforms' packages: an optional package for another platform that the lockfile leaves out is put
 * back, so that the lockfile names everything that the manifests ask for. Such a package is never fetched where its
 * `os` and `cpu` don't match.
 *
 * Usage: tools/complete-lock.ts [--check]; run it after each `npm install` that changes dependencies.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
type Packages = Record<string, LockEntry>;

const OS_NAMES = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'openharmony',
  'win32',
  'netbsd',
  'openbsd',
  'sunos',
  'aix',
] as const;
const CPU_NAMES: Readonly<Record<string, string>> = {
  aarch64: 'arm64',
  arm64: 'arm64',
  armv7: 'arm',
  arm: 'arm',
  ia32: 'ia32',
  x64: 'x64',
  x86_64: 'x64',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  loong64: 'loong64',
  wasm32: 'wasm32',
};

/** The platform in a package's name, as the makers of native packages spell it ("@x/y-linux-arm64-musl"). */
export function platformOf(name: string): { readonly os: string; readonly cpu: string } | undefined {
  const words = name.split(/[-/]/);
  const os = OS_NAMES.find((each) => words.includes(each));
  const word = words.find((each) => each in CPU_NAMES);
  const cpu = word === undefined ? undefined : CPU_NAMES[word];
  return os === undefined || cpu === undefined ? undefined : { os, cpu };
}

/** The lockfile's packages with what is missing added, sorted as npm sorts them, and the names that were added. */
export function completePackages(packages: Packages): {
  readonly packages: Packages;
  readonly added: readonly string[];
} {
  const complete: Packages = { ...packages };
  const added: string[] = [];
  for (const [parent, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const nested = `${parent === '' ? '' : `${parent}/`}node_modules/${name}`;
      const hoisted = `node_modules/${name}`;
      const platform = platformOf(name);
      if (nested in complete || hoisted in complete || platform === undefined || !/^\d/.test(version)) continue;
      complete[hoisted] = {
        version,
        cpu: [platform.cpu],
        ...(entry.dev === true ? { dev: true } : {}),
        optional: true,
        os: [platform.os],
      };
      added.push(`${name}@${version}`);
    }
  }
  const sorted = Object.fromEntries(Object.entries(complete).toSorted(([a], [b]) => a.localeCompare(b, 'en')));
  return { packages: sorted, added };
}

if (import.meta.main) {
  const file = resolve(fileURLToPath(import.meta.url), '../../package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Packages };
  const { packages, added } = completePackages(lock.packages);
  if (process.argv.includes('--check')) {
    for (const name of added) console.log(`package-lock.json lacks ${name}`);
    console.log(added.length === 0 ? 'lockfile: complete' : 'lockfile: run tools/complete-lock.ts');
    process.exitCode = added.length === 0 ? 0 : 1;
  } else {
    writeFileSync(file, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
    console.log(`added ${added.length}`);
  }
}
