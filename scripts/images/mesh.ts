/**
 * Entry point of image `mesh`: the first argument is the role, as in the Deployments that `mesh install` and
 * `mesh multicluster install` print. `cli` is the command line, for Jobs.
 */
const ROLES: Readonly<Record<string, () => Promise<unknown>>> = {
  identity: () => import('../../packages/control-plane/src/main.ts'),
  destination: () => import('../../packages/control-plane/src/main.ts'),
  policy: () => import('../../packages/control-plane/src/main.ts'),
  injector: () => import('../../packages/control-plane/src/main.ts'),
  mirror: () => import('../../packages/mirror/src/main.ts'),
  gateway: () => import('../../packages/gateway/src/main.ts'),
  dns: () => import('../../packages/clusterset-dns/src/main.ts'),
  cli: () => import('../../packages/cli/src/main.ts'),
  probe: () => import('../../packages/cli/src/probe/main.ts'),
};

const role = process.argv[2] ?? '';
const start = ROLES[role];
if (start === undefined) {
  process.stderr.write(`mesh: unknown role "${role}"; known: ${Object.keys(ROLES).join(', ')}\n`);
  process.exit(64);
}
// The command line's own arguments begin after the role; the others know theirs by its name.
if (role === 'cli') process.argv.splice(2, 1);
await start();
