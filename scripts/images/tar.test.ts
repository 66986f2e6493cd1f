import assert from 'node:assert/strict';
import test from 'node:test';
import { readTar, withFixedTimes, writeTar } from './tar.ts';

const FILES = [
  { name: 'a.json', body: Buffer.from('{}') },
  { name: 'folder/b', body: Buffer.alloc(1025, 7) },
];

test('what was written is read again', () => {
  const read = [...readTar(writeTar(FILES, 5))].map(({ name, type, body }) => ({
    name,
    type,
    body: Buffer.from(body),
  }));
  assert.deepEqual(
    read,
    FILES.map((file) => ({ ...file, type: '0' })),
  );
});

test('archives that differ in times only become the same', () => {
  assert.notDeepEqual(writeTar(FILES, 5), writeTar(FILES, 6));
  assert.deepEqual(withFixedTimes(writeTar(FILES, 5), 9), withFixedTimes(writeTar(FILES, 6), 9));
});

test('times leave extension headers, other attributes stay', () => {
  const records = paxRecords({ mtime: '1.5', 'SCHILY.xattr.security.capability': '\u0001=\u0000' });
  const [fixed] = [...readTar(withFixedTimes(withType(writeTar([{ name: 'x', body: records }], 1), 'x'), 9))];
  assert.equal(
    fixed?.body.toString('latin1'),
    paxRecords({ 'SCHILY.xattr.security.capability': '\u0001=\u0000' }).toString('latin1'),
  );
});

test('an extension header of times alone goes', () => {
  const archive = withType(writeTar([{ name: 'x', body: paxRecords({ mtime: '1.5' }) }], 1), 'x');
  assert.deepEqual([...readTar(withFixedTimes(archive, 9))], []);
});

test('a damaged archive is refused', () => {
  const archive = writeTar(FILES, 5);
  const bad = Buffer.from(archive);
  bad[0] = 0x7a;
  assert.throws(() => [...readTar(bad)], /bad tar header at byte 0/);
  assert.throws(() => [...readTar(archive.subarray(0, 513))], /cut off/);
});

function paxRecords(pairs: Readonly<Record<string, string>>): Buffer {
  const record = (key: string, value: string): string => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return `${length}${rest}`;
  };
  return Buffer.from(
    Object.entries(pairs)
      .map(([key, value]) => record(key, value))
      .join(''),
    'latin1',
  );
}

/** The first entry's type changed, and its checksum with it. */
function withType(archive: Buffer, type: string): Buffer {
  const copy = Buffer.from(archive);
  copy.write(type, 156, 'latin1');
  copy.write('        ', 148, 'latin1');
  let sum = 0;
  for (const byte of copy.subarray(0, 512)) sum += byte;
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}
