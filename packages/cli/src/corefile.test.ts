import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { forwardBlock, forwards, withBlock, withoutBlock } from './corefile.ts';

const ZONE = 'clusterset.local';
const BLOCK = forwardBlock(ZONE, '10.96.0.7');
const DEFAULT = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    reload
}
`;

test('the block goes to the end, once, whatever is done before', () => {
  const once = withBlock(DEFAULT, ZONE, BLOCK);
  assert.equal(once, DEFAULT + BLOCK);
  assert.equal(withBlock(once, ZONE, BLOCK), once);
  assert.equal(withoutBlock(once, ZONE), DEFAULT);
  assert.equal(withoutBlock(DEFAULT, ZONE), DEFAULT);
});

test('a block that is there is replaced where it is, and nothing else changes', () => {
  const old = `# head\nClusterSet.local.:53 { # ours\n    forward . 10.0.0.1 {\n        policy random\n    }\n}\n# tail\n`;
  assert.equal(withBlock(old + DEFAULT, ZONE, BLOCK), `# head\n${BLOCK}# tail\n${DEFAULT}`);
  assert.equal(withoutBlock(old + DEFAULT, ZONE), `# head\n# tail\n${DEFAULT}`);
});

test('where the zone goes can be read back', () => {
  assert.deepEqual(forwards(DEFAULT + BLOCK, ZONE), ['10.96.0.7']);
  assert.deepEqual(forwards(`${ZONE} {\n  errors\n  forward . 10.0.0.1 10.0.0.2 { # two\n  }\n}\n`, ZONE), [
    '10.0.0.1',
    '10.0.0.2',
  ]);
  assert.deepEqual(forwards(DEFAULT, ZONE), []);
  assert.deepEqual(forwards(`${ZONE} {\n    errors\n}\n${DEFAULT}`, ZONE), []);
});

test('a file without a last newline, or nothing at all, gets a block of its own lines', () => {
  assert.equal(withBlock('a {\n}', ZONE, BLOCK), `a {\n}\n${BLOCK}`);
  assert.equal(withBlock('', ZONE, BLOCK), BLOCK);
});

test('a block shared with other zones, or without end, is left to people', () => {
  assert.throws(
    () => withBlock(`${ZONE} other.example {\n}\n`, ZONE, BLOCK),
    /one block for clusterset\.local other\.example/,
  );
  assert.throws(() => withoutBlock(`${ZONE} {\n errors\n`, ZONE), /has no end/);
});

test('putting in and taking out leaves any file as it was', () => {
  const name = fc.stringMatching(/^[a-z]{1,8}$/);
  const directive = fc.oneof(
    name.map((word) => `    ${word}\n`),
    name.map((word) => `    ${word} {\n        x\n    }\n`),
    fc.constant('    # clusterset.local {\n'),
  );
  const block = fc.tuple(name, fc.array(directive)).map(([zone, lines]) => `${zone}:53 {\n${lines.join('')}}\n`);
  fc.assert(
    fc.property(fc.array(fc.oneof(block, fc.constant('\n'), fc.constant('# note\n'))), (parts) => {
      const file = parts.join('');
      const changed = withBlock(file, ZONE, BLOCK);
      assert.equal(withBlock(changed, ZONE, BLOCK), changed);
      assert.equal(withoutBlock(changed, ZONE), file);
    }),
  );
});
