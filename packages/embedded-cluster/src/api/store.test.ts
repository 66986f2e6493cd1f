import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { Journal } from './journal.ts';
import { Store } from './store.ts';
import type { KubeObject } from './types.ts';

function object(name: string, value = 0): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'n' }, data: { value } };
}

function dump(store: Store): unknown {
  return [...store.iterate('b')].map(([id, stored]) => [id, stored['data'], stored.metadata.resourceVersion]);
}

test('every write gets the next version and reaches subscribers in order', () => {
  const store = new Store();
  const seen: string[] = [];
  store.subscribe('b', (event) => seen.push(`${event.type} ${event.version}`));
  const start = store.version;
  store.commit('b', 'n/a', object('a'));
  store.commit('b', 'n/a', object('a', 1));
  store.commit('b', 'n/a', undefined);
  assert.deepEqual(seen, [`ADDED ${start + 1}`, `MODIFIED ${start + 2}`, `DELETED ${start + 3}`]);
});

test('history is bounded: what is forgotten is said to be', () => {
  const store = new Store({ historyLengthMax: 8 });
  const start = store.version;
  for (let index = 0; index < 40; index += 1) store.commit('b', 'n/a', object('a', index));
  assert.equal(store.eventsAfter('b', start), undefined);
  assert.equal(store.snapshotAt('b', start), undefined);
  assert.equal(store.eventsAfter('b', store.version - 4)?.length, 4);
});

test('a snapshot of any remembered version is what was there then', () => {
  const action = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.option(fc.nat(9)) });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const store = new Store();
      const moments: [number, string][] = [];
      const shown = (entries: Iterable<readonly [string, KubeObject]>): string =>
        JSON.stringify([...entries].map(([id, stored]) => [id, stored['data']]));
      for (const { name, value } of actions) {
        moments.push([store.version, shown(store.iterate('b'))]);
        if (value !== null) store.commit('b', `n/${name}`, object(name, value));
        else if (store.get('b', `n/${name}`) !== undefined) store.commit('b', `n/${name}`, undefined);
      }
      for (const [version, expected] of moments) assert.equal(shown(store.snapshotAt('b', version) ?? []), expected);
    }),
  );
});

test('a journal survives a torn last line, and compaction keeps what is alive', () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  try {
    const first = new Store();
    const journal = new Journal(folder, first, { compactBytesMin: 2000 });
    assert.equal(journal.open(), false);
    for (let index = 0; index < 5; index += 1) first.commit('b', `n/${index}`, object(String(index), index));
    first.commit('b', 'n/2', undefined);
    journal.close();
    const path = join(folder, 'state.jsonl');
    appendFileSync(path, '{"v":99,"b":"b","i":"n/tor');
    const second = new Store();
    const again = new Journal(folder, second, { compactBytesMin: 2000 });
    assert.equal(again.open(), true);
    assert.deepEqual(dump(second), dump(first));
    assert.equal(second.version, first.version);
    assert.ok(!readFileSync(path, 'utf8').includes('tor'));
    for (let index = 0; index < 200; index += 1) second.commit('b', 'n/0', object('0', index));
    again.compact();
    assert.ok(statSync(path).size < 2000);
    again.close();
    const third = new Store();
    const last = new Journal(folder, third);
    last.open();
    last.close();
    assert.deepEqual(dump(third), dump(second));
    assert.equal(third.version, second.version);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a journal of another format is refused with its path', () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  try {
    appendFileSync(join(folder, 'state.jsonl'), '{"format":7,"version":1}\n');
    assert.throws(() => new Journal(folder, new Store()).open(), /state\.jsonl has format 7/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
