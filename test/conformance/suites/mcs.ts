/**
 * The conformance suite of the Multi-Cluster Services API against two kind clusters whose mesh is installed and linked (`npm run kind -- up`):
 * ServiceExports, ServiceImports, names and raw TCP from pods that no sidecar serves. `MESH_MCS_CLUSTERS` names the clusters, the first
 * exports first; `MESH_MCS_SUITE` is a test binary of the suite for where its module or its pods' images cannot be got. The suite's own report
 * stays in dist/conformance/mcs-api.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { junitCases } from '../junit.ts';
import { DIST, run } from '../programs.ts';
import type { Missing } from '../programs.ts';
import type { CaseResult, SuiteResult } from '../result.ts';

/** January 2025: what comes after it is a module of its own, which not every proxy serves. */
const VERSION = 'v0.1.1-0.20250116162235-62ede9a032dc';
const FOLDER = join(DIST, 'mcs-api');
const BUILD_MS = 1_200_000;
/** 20 s per condition that never comes, and up to 200 s per connection that is never answered. */
const RUN_MS = 3_600_000;

/**
 * Two cases want labels of the ServiceExport's own metadata on the import, one of them their absence at the same time: no implementation
 * passes them. Mended upstream in December 2025.
 */
const FILTER = '!ExportedLabels';

const GO_TEST = `package mcsapi

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	_ "sigs.k8s.io/mcs-api/conformance"
)

func TestConformance(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "MCS API conformance")
}
`;

export async function mcs(): Promise<SuiteResult[]> {
  const clusters = (process.env['MESH_MCS_CLUSTERS'] ?? 'east,west').split(',');
  const target = `kind clusters ${clusters.join(' and ')}`;
  const skipped = (reason: string): SuiteResult[] => [{ suite: 'mcs', target, cases: [], skipped: reason }];
  const kubeconfig = await kubeconfigOf(clusters);
  if (typeof kubeconfig !== 'string') return skipped(kubeconfig.missing);
  const suite = await suiteBinary();
  if (typeof suite !== 'string') return skipped(suite.missing);
  const report = join(FOLDER, 'junit.xml');
  rmSync(report, { force: true });
  const { output } = await run(
    [
      suite,
      '-test.timeout=0',
      `--contexts=${clusters.map((name) => `kind-${name}`).join(',')}`,
      `--ginkgo.label-filter=${FILTER}`,
      '--ginkgo.no-color',
      `--ginkgo.junit-report=${report}`,
    ],
    { timeoutMs: RUN_MS, cwd: FOLDER, env: { KUBECONFIG: kubeconfig } },
  );
  if (!existsSync(report)) return skipped(`the suite did not run: ${output.trim().split('\n').at(-1) ?? ''}`);
  return [{ suite: 'mcs', target, cases: casesOf(readFileSync(report, 'utf8')) }];
}

/** What the filter leaves out counts for nothing. */
function casesOf(xml: string): readonly CaseResult[] {
  return junitCases(xml, ['name']).filter(({ name, outcome }) => name.startsWith('[It]') && outcome !== 'skipped');
}

async function kubeconfigOf(clusters: readonly string[]): Promise<string | Missing> {
  mkdirSync(FOLDER, { recursive: true });
  const files: string[] = [];
  for (const name of clusters) {
    const { status, output } = await run(['kind', 'get', 'kubeconfig', '--name', name], { timeoutMs: 60_000 });
    if (status !== 0)
      return { missing: `there is no kind cluster ${name}: npm run kind -- up makes ${clusters.join(', ')}` };
    const file = join(FOLDER, `${name}.kubeconfig`);
    writeFileSync(file, output, { mode: 0o600 });
    files.push(file);
  }
  return files.join(':');
}

async function suiteBinary(): Promise<string | Missing> {
  const given = process.env['MESH_MCS_SUITE'];
  if (given !== undefined && given !== '')
    return existsSync(given) ? given : { missing: `MESH_MCS_SUITE: there is no file ${given}` };
  const binary = join(FOLDER, `suite-${VERSION}.test`);
  if (existsSync(binary)) return binary;
  const source = join(FOLDER, 'source');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'suite_test.go'), GO_TEST);
  writeFileSync(join(source, 'go.mod'), 'module mesh/mcs-api\n\ngo 1.23\n');
  for (const command of [
    ['go', 'get', `sigs.k8s.io/mcs-api@${VERSION}`],
    ['go', 'mod', 'tidy'],
    ['go', 'test', '-c', '-trimpath', '-ldflags=-s -w', '-o', binary, '.'],
  ]) {
    const built = await run(command, { timeoutMs: BUILD_MS, cwd: source });
    if (built.status !== 0)
      return { missing: `${command.join(' ')} failed: ${built.output.trim().split('\n').at(-1) ?? ''}` };
  }
  return binary;
}
