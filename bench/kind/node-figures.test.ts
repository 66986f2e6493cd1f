import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseNodeFigures } from './node-figures.ts';

const ONE = [
  'aa start_ms 2000',
  'aa pss_kb 30',
  'aa private_kb 20',
  'aa start_ms 1500',
  'aa pss_kb 3',
  'aa private_kb 2',
  'aa cgroup 1',
  'aa usage 100000',
  'aa inactive_file 4000',
  'aa cpu_ns 7000',
];

test('processes of a container are added up, and the first of them is its start', () => {
  assert.deepEqual(
    [...parseNodeFigures(ONE.join('\n'))],
    [
      [
        'aa',
        {
          cgroup: 1,
          workingSetBytes: 96_000,
          privateBytes: 22 * 1024,
          pssBytes: 33 * 1024,
          cpuUs: 7,
          startedAtMs: 1500,
        },
      ],
    ],
  );
});

test('a container that ended while it was looked at is left out', () => {
  const text = [...ONE, 'bb start_ms 1', 'bb usage ', 'sh: no such file'].join('\n');
  assert.deepEqual([...parseNodeFigures(text).keys()], ['aa']);
});

test('the script for nodes is one that a plain shell reads', () => {
  const input = readFileSync(path.join(import.meta.dirname, 'node-figures.sh'));
  const { status, stderr } = spawnSync('sh', ['-n'], { input, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
