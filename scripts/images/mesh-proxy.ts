/**
 * Entry point of image `mesh-proxy`: the first argument is the role. Each role is a file of its own beside this one, so that a
 * sidecar, of which a node runs many, loads nothing of the others.
 */
const ROLES: Readonly<Record<string, string>> = {
  proxy: './proxy.js',
  'proxy-init': './proxy-init.js',
  'network-validator': './network-validator.js',
  await: './await.js',
};

const role = process.argv[2] ?? 'proxy';
const file = ROLES[role];
if (file === undefined) {
  process.stderr.write(`mesh-proxy: unknown role ${JSON.stringify(role)}; known: ${Object.keys(ROLES).join(', ')}\n`);
  process.exit(64);
}
// The programs read their own arguments, as they do when they are called by Linkerd's paths.
process.argv.splice(2, 1);
await import(new URL(file, import.meta.url).href);
