/** The `process_*` metrics, read from the kernel at the scrape. */
import { readdirSync, readFileSync } from 'node:fs';
import type { MetricRegistry } from './registry.ts';

/** Linux's USER_HZ, the unit of times in /proc; 100 on every architecture that Kubernetes runs on. */
const CLOCK_TICKS = 100;
const PAGE_BYTES = 4096;

export function registerProcessMetrics(registry: MetricRegistry): void {
  const startedSeconds = Date.now() / 1000 - performance.now() / 1000;
  const gauge = (name: string, help: string) => registry.gauge({ name, help }).bind();
  const clock = gauge('process_clock_time_seconds', 'Current wall-clock time, seconds since the epoch.');
  const started = gauge('process_start_time_seconds', 'When the process started, seconds since the epoch.');
  const resident = gauge('process_resident_memory_bytes', 'Resident memory.');
  const virtual = gauge('process_virtual_memory_bytes', 'Virtual memory.');
  const threads = gauge('process_threads', 'Threads of the process.');
  const openFds = gauge('process_open_fds', 'Open file descriptors.');
  const maxFds = gauge('process_max_fds', 'Limit of open file descriptors.');
  const privateBytes = gauge(
    'mesh_process_private_memory_bytes',
    'Memory that no other process shares and that was written.',
  );
  const cpu = registry.counter({ name: 'process_cpu_seconds_total', help: 'User and system time.' }).bind();
  const uptime = registry.counter({ name: 'process_uptime_seconds_total', help: 'Time since start.' }).bind();
  const received = registry
    .counter({ name: 'process_network_receive_bytes_total', help: 'Bytes received in the network namespace.' })
    .bind();
  const sent = registry
    .counter({ name: 'process_network_transmit_bytes_total', help: 'Bytes sent in the network namespace.' })
    .bind();
  started.set(startedSeconds);
  registry.beforeScrape(() => {
    const now = Date.now() / 1000;
    clock.set(now);
    uptime.add(Math.max(0, now - startedSeconds - uptime.value));
    // After the command name in parentheses: field 3 is the state, so field n is at n - 3.
    const stat = read('/proc/self/stat').split(') ').at(-1)?.split(' ') ?? [];
    const field = (n: number): number => Number(stat[n - 3] ?? 0);
    cpu.add(Math.max(0, (field(14) + field(15)) / CLOCK_TICKS - cpu.value));
    threads.set(field(20));
    virtual.set(field(23));
    resident.set(field(24) * PAGE_BYTES);
    openFds.set(count('/proc/self/fd'));
    maxFds.set(Number(/^Max open files\s+(\d+)/m.exec(read('/proc/self/limits'))?.[1] ?? 0));
    const [inOctets, outOctets] = ipOctets(read('/proc/self/net/netstat'));
    received.add(Math.max(0, inOctets - received.value));
    sent.add(Math.max(0, outOctets - sent.value));
    privateBytes.set(Number(/^Private_Dirty:\s+(\d+)/m.exec(read('/proc/self/smaps_rollup'))?.[1] ?? 0) * 1024);
  });
}

/** InOctets and OutOctets of IpExt: a line of names, then a line of values. */
function ipOctets(netstat: string): readonly [number, number] {
  const [names = [], values = []] = netstat
    .split('\n')
    .filter((line) => line.startsWith('IpExt:'))
    .map((line) => line.split(' '));
  const field = (name: string): number => Number(values[names.indexOf(name)] ?? 0);
  return [field('InOctets'), field('OutOctets')];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function count(path: string): number {
  try {
    return readdirSync(path).length;
  } catch {
    return 0;
  }
}
