/** What is true of the other end of a Link: its version, what it exports to us, and whether it keeps that current. Pure. */
import { MESH_VERSION } from '@mesh/runtime';
import { finding } from './link-facts.ts';
import type { ExporterReading, Finding, LinkFacts } from './link-facts.ts';

/** A clock this far off is said: certificates and tokens begin to suffer from a few minutes on. */
const CLOCK_OFF_MS = 30_000;

/** Only for Links that name a Peer: elsewhere nobody says these things. */
export function exporterFindings({ exporter, cluster }: LinkFacts): readonly Finding[] {
  if (exporter === undefined) return [];
  return [versionSupported(exporter, cluster), viewCurrent(exporter, cluster)];
}

export function exportsSeen({ exports, remote, cluster }: LinkFacts): Finding {
  if (exports === undefined || remote?.synced !== true)
    return finding('ExportsSeen', 'Unknown', 'NotSynced', `the exports of cluster ${cluster} are not known`);
  const some = exports.filter(([, count]) => count > 0).map(([mode, count]) => `${count} ${mode}`);
  if (some.length === 0)
    return finding(
      'ExportsSeen',
      'True',
      'NothingExported',
      `cluster ${cluster} exports nothing to this one; export a Service there with mesh multicluster export`,
    );
  return finding('ExportsSeen', 'True', 'Seen', `cluster ${cluster} exports to this one: ${some.join(', ')}`);
}

function versionSupported({ version, problem }: ExporterReading, cluster: string): Finding {
  if (version === undefined)
    return finding(
      'VersionSupported',
      'Unknown',
      'NotKnown',
      problem ?? `cluster ${cluster} has not told its version yet`,
    );
  if (areCompatible(version, MESH_VERSION)) {
    return finding(
      'VersionSupported',
      'True',
      'Compatible',
      `cluster ${cluster} runs ${version}, this one ${MESH_VERSION}`,
    );
  }
  return finding(
    'VersionSupported',
    'False',
    'TooFarApart',
    `cluster ${cluster} runs ${version}, this one ${MESH_VERSION}: linked clusters may be one minor version apart; upgrade the older one`,
  );
}

/** One minor version apart at most, within a major version; what is no version is taken as it is. */
export function areCompatible(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => /^v?(\d+)\.(\d+)/.exec(text));
  if (a === null || b === null || a === undefined || b === undefined) return true;
  return a[1] === b[1] && Math.abs(Number(a[2]) - Number(b[2])) <= 1;
}

function viewCurrent({ problem, renewTime, isRenewing, clockBehindMs }: ExporterReading, cluster: string): Finding {
  if (renewTime === undefined || isRenewing === undefined)
    return finding(
      'ViewCurrent',
      'Unknown',
      'Pending',
      problem ?? `cluster ${cluster} has not confirmed its exports yet`,
    );
  if (!isRenewing) {
    return finding(
      'ViewCurrent',
      'False',
      'Stale',
      `cluster ${cluster} last confirmed its exports at ${renewTime} by its clock: what it changed since is not known here. Is its service mirror running?`,
    );
  }
  const current = `cluster ${cluster} confirms its exports regularly`;
  if (clockBehindMs === undefined || Math.abs(clockBehindMs) < CLOCK_OFF_MS)
    return finding('ViewCurrent', 'True', 'Current', current);
  const off = `${roughly(Math.abs(clockBehindMs))} ${clockBehindMs > 0 ? 'behind' : 'ahead of'} ours`;
  return finding(
    'ViewCurrent',
    'True',
    'ClockSkew',
    `${current}, but its clock is ${off}: set the clocks, for certificates and tokens go by them`,
  );
}

/** In steps, so that the message does not change with each look. */
function roughly(ms: number): string {
  if (ms < 120_000) return `about ${Math.round(ms / 30_000) * 30} s`;
  return ms < 7_200_000 ? `about ${Math.round(ms / 60_000)} min` : `about ${Math.round(ms / 3_600_000)} h`;
}
