/**
 * Runs the built images the way a cluster does (read-only, unprivileged, nothing but what is asked for) and says what does not hold.
 * Needs the Docker engine that built them.
 */
import { runProgram, tryProgram } from '../home/program.ts';
import type { ProgramResult } from '../home/program.ts';
import type { BuiltImage, ImageSpec } from './build.ts';

/** Nothing is granted, as in a pod of the strictest kind. */
const STRICT = ['--rm', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--network', 'none'];

const USAGE_ERROR = 64;
const NOT_FOUND = 127;

/** Resolves with one line for each promise that the image breaks. */
export async function problemsOf(spec: ImageSpec, image: BuiltImage): Promise<readonly string[]> {
  const checks = spec.name === 'shop' ? [hasNoShell] : [hasNoShell, refusesUnknownRoles, isUnprivileged, isLabelled];
  const own = spec.name.startsWith('mesh-proxy') ? [canRedirect, hasLinkerdPaths] : [];
  const found = await Promise.all([...checks, ...own].map((check) => check(image)));
  return found.flat().map((problem) => `${image.tag}: ${problem}`);
}

async function hasNoShell({ tag }: BuiltImage): Promise<readonly string[]> {
  const { code } = await docker(['run', ...STRICT, '--entrypoint', '/bin/sh', tag, '-c', 'true']);
  return code === NOT_FOUND ? [] : [`/bin/sh ended with ${code}: there should be none`];
}

async function refusesUnknownRoles({ tag }: BuiltImage): Promise<readonly string[]> {
  const { code, stderr } = await docker(['run', ...STRICT, tag, 'no-such-role']);
  const isGood = code === USAGE_ERROR && stderr.includes('unknown role "no-such-role"');
  return isGood ? [] : [`an unknown role ended with ${code} and said ${JSON.stringify(stderr.trim())}`];
}

interface Inspected {
  readonly Config: { readonly User: string; readonly Labels: Readonly<Record<string, string>> | null };
}

async function inspect(tag: string): Promise<Inspected['Config']> {
  const [found] = JSON.parse(await runProgram('docker', ['image', 'inspect', tag])) as readonly Inspected[];
  if (found === undefined) throw new Error(`no image ${tag}`);
  return found.Config;
}

async function isUnprivileged({ tag }: BuiltImage): Promise<readonly string[]> {
  const expected = tag.startsWith('mesh-proxy') ? '2102:2102' : '2103:2103';
  const { User } = await inspect(tag);
  return User === expected ? [] : [`runs as ${JSON.stringify(User)}, not as ${expected}`];
}

async function isLabelled({ tag }: BuiltImage): Promise<readonly string[]> {
  const { Labels } = await inspect(tag);
  const wanted = ['title', 'description', 'version', 'licenses'].map((name) => `org.opencontainers.image.${name}`);
  const missing = wanted.filter((name) => (Labels?.[name] ?? '') === '');
  return missing.length === 0 ? [] : [`has no label ${missing.join(', ')}`];
}

/** As user 65534 with the two capabilities of the init container, in a network of its own. */
async function canRedirect({ tag }: BuiltImage): Promise<readonly string[]> {
  const user = ['--user', '65534:65534', '--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN', '--cap-add', 'NET_RAW'];
  const problems: string[] = [];
  for (const mode of ['nft', 'legacy']) {
    const program = ['--firewall-bin-path', `iptables-${mode}`, '--firewall-save-bin-path', `iptables-${mode}-save`];
    const ports = ['--incoming-proxy-port', '4143', '--outgoing-proxy-port', '4140', '--proxy-uid', '2102'];
    const { code, stderr } = await docker(
      ['run', '--rm', '--read-only', '--tmpfs', '/run:mode=1777', '--network', 'none', ...user].concat([
        tag,
        'proxy-init',
        ...program,
        ...ports,
        '--ipv6=false',
      ]),
    );
    if (code !== 0) problems.push(`proxy-init with iptables-${mode} ended with ${code}: ${stderr.trim()}`);
  }
  return problems;
}

async function hasLinkerdPaths({ tag }: BuiltImage): Promise<readonly string[]> {
  const paths = ['linkerd2-proxy-identity', 'linkerd2-proxy-init', 'linkerd2-network-validator', 'linkerd-await'];
  const found = await Promise.all(
    paths.map(async (name) => {
      const { code, stderr } = await docker([
        'run',
        ...STRICT,
        '--entrypoint',
        `/usr/lib/linkerd/${name}`,
        tag,
        '--no-such-flag',
      ]);
      // Whatever a program says of a flag that it does not know, it was found and it ran.
      return code === USAGE_ERROR || (code === 1 && stderr !== '')
        ? []
        : [`${name} ended with ${code}: ${stderr.trim()}`];
    }),
  );
  return found.flat();
}

function docker(args: readonly string[]): Promise<ProgramResult> {
  return tryProgram('docker', args);
}
