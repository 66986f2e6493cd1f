/** `proxy-init`: sets up redirection in the network namespace that it runs in, for IPv4 and IPv6, and ends. */
import { ConfigError, EXIT_CODE, MeshError } from '@mesh/runtime';
import type { Logger, LogSink } from '@mesh/runtime';
import { parseProxyInitConfig, PROXY_INIT_FLAGS } from './config.ts';
import type { ProxyInitConfig } from './config.ts';
import { diagnose, EXIT_BY_FAILURE, ProxyInitError } from './diagnose.ts';
import type { Exec, Outcome } from './exec.ts';
import type { Facts } from './facts.ts';
import { helpText } from './flags.ts';
import { openLog } from './log-flags.ts';
import { RESTORE_ARGS, restoreInput, SAVE_ARGS } from './restore.ts';
import { redirectChains } from './rules.ts';
import type { Family } from './rules.ts';

export interface ProxyInitDeps {
  readonly exec: Exec;
  readonly facts: () => Facts;
  /** Sets a kernel setting, by its path below /proc/sys. */
  readonly writeSetting: (path: string, value: string) => void;
  /** For what was asked for; logs and problems go to `logs`. */
  readonly print: LogSink;
  readonly logs: LogSink;
}

const CLOSE_WAIT = 'net/netfilter/nf_conntrack_tcp_timeout_close_wait';

/**
 * @param args Without the program's name.
 * @returns the exit code: 0 done, 64 bad arguments, 69 something is missing, 75 try again, 77 not permitted, 1 other failures
 */
export async function runProxyInit(args: readonly string[], deps: ProxyInitDeps): Promise<number> {
  const help = helpText('proxy-init', args, PROXY_INIT_FLAGS);
  if (help !== undefined) {
    deps.print(help);
    return EXIT_CODE.ok;
  }
  let config: ProxyInitConfig;
  try {
    config = parseProxyInitConfig(args);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.info.problems) deps.logs(problem);
    return EXIT_CODE.usage;
  }
  if (config.simulate) {
    simulate(config, deps.print);
    return EXIT_CODE.ok;
  }
  const log = openLog(config.log, deps.logs);
  try {
    await redirect(config, deps, log);
    return EXIT_CODE.ok;
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    log.error('redirection could not be set up', { error });
    return error instanceof ProxyInitError ? EXIT_BY_FAILURE[error.info.code] : EXIT_CODE.failure;
  }
}

/** The programs and their input, as a shell would run them in a fresh namespace. */
function simulate(config: ProxyInitConfig, print: LogSink): void {
  for (const family of families(config)) {
    const { restore } = programs(config, family);
    print(`${restore} ${RESTORE_ARGS.join(' ')} <<'RULES'`);
    print(`${restoreInput(redirectChains(config, family), '')}RULES`);
  }
  if (config.timeoutCloseWaitSecs > 0) print(`echo ${config.timeoutCloseWaitSecs} >/proc/sys/${CLOSE_WAIT}`);
}

async function redirect(config: ProxyInitConfig, deps: ProxyInitDeps, log: Logger): Promise<void> {
  const facts = deps.facts();
  for (const family of families(config)) {
    if (family === 'ipv6' && !facts.ipv6) {
      log.warn('the kernel has no IPv6, there is nothing to redirect: --ipv6=false says so too', { family });
      continue;
    }
    const { save, restore } = programs(config, family);
    const run = async (program: string, args: readonly string[], stdin: string): Promise<string> => {
      const outcome: Outcome = await deps.exec(program, args, stdin);
      if (outcome.kind !== 'exited' || outcome.code !== 0) throw diagnose(program, family, outcome, facts);
      return outcome.stdout;
    };
    const input = restoreInput(redirectChains(config, family), await run(save, SAVE_ARGS, ''));
    log.debug('rules', { family, program: restore, input });
    await run(restore, RESTORE_ARGS, input);
    log.info('TCP connections are redirected', {
      family,
      inboundPort: config.incomingProxyPort,
      outboundPort: config.outgoingProxyPort,
      program: restore,
    });
  }
  if (config.timeoutCloseWaitSecs > 0) setCloseWait(config.timeoutCloseWaitSecs, deps);
}

/** After the rules: they load connection tracking, which the setting belongs to. */
function setCloseWait(seconds: number, { writeSetting }: ProxyInitDeps): void {
  try {
    writeSetting(CLOSE_WAIT, String(seconds));
  } catch (cause) {
    throw new ProxyInitError(
      { code: 'not_permitted', program: `/proc/sys/${CLOSE_WAIT}` },
      `--timeout-close-wait-secs ${seconds}: the kernel setting cannot be written: run linkerd-init privileged and as root (values proxyInit.privileged=true, proxyInit.runAsRoot=true)`,
      { cause },
    );
  }
}

function families({ ipv6 }: ProxyInitConfig): readonly Family[] {
  return ipv6 ? ['ipv4', 'ipv6'] : ['ipv4'];
}

function programs({ firewall }: ProxyInitConfig, family: Family): { readonly save: string; readonly restore: string } {
  if (family === 'ipv4') return firewall;
  // In the file name only: the folder may have the word, too.
  const forIpv6 = (path: string): string => path.replace(/iptables(?=[^/]*$)/, 'ip6tables');
  return { save: forIpv6(firewall.save), restore: forIpv6(firewall.restore) };
}
