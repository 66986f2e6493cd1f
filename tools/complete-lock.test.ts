import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completePackages, platformOf } from './complete-lock.ts';

test('the platform is read from the name', () => {
  assert.deepEqual(platformOf('@oxfmt/binding-linux-arm64-musl'), { os: 'linux', cpu: 'arm64' });
  assert.deepEqual(platformOf('@bufbuild/buf-win32-x64'), { os: 'win32', cpu: 'x64' });
  assert.equal(platformOf('fsevents'), undefined);
});

test('an optional package that the lockfile leaves out is added once, with its platform', () => {
  const { packages, added } = completePackages({
    '': {},
    'node_modules/tool': {
      version: '1.0.0',
      dev: true,
      optionalDependencies: { 'tool-darwin-arm64': '1.0.0', 'tool-linux-x64': '1.0.0' },
    },
    'node_modules/tool-linux-x64': {
      version: '1.0.0',
      integrity: 'sha512-x',
      optional: true,
      os: ['linux'],
      cpu: ['x64'],
    },
  });
  assert.deepEqual(added, ['tool-darwin-arm64@1.0.0']);
  assert.deepEqual(packages['node_modules/tool-darwin-arm64'], {
    version: '1.0.0',
    cpu: ['arm64'],
    dev: true,
    optional: true,
    os: ['darwin'],
  });
  assert.deepEqual(completePackages(packages).added, []);
});
