/**
 * Tar archives in memory, as far as container images need them: entries are found, and written again with fixed times.
 *
 *      header (512 bytes)                     body (padded to 512)
 *      name 0..100  mode 100  uid 108  gid 116  size 124..136  mtime 136..148  checksum 148..156  type 156  …  prefix 345..500
 */
const BLOCK = 512;

export interface TarEntry {
  /** Path as it stands in the header; long names are in a PAX header before. */
  readonly name: string;
  readonly type: string;
  /** Where a link leads, empty for others. */
  readonly linkName: string;
  readonly header: Buffer;
  readonly body: Buffer;
}

/** @throws Error when the archive ends in the middle of an entry or a checksum is wrong. */
export function* readTar(archive: Buffer): Generator<TarEntry> {
  for (let at = 0; at + BLOCK <= archive.length;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    if (octal(header, 148, 8) !== checksum(header)) throw new Error(`bad tar header at byte ${at}`);
    const size = octal(header, 124, 12);
    const end = at + BLOCK + size;
    if (end > archive.length) throw new Error(`tar entry at byte ${at} is cut off`);
    const prefix = text(header, 345, 155);
    const name = text(header, 0, 100);
    yield {
      name: prefix === '' ? name : `${prefix}/${name}`,
      type: String.fromCharCode(header[156] ?? 0),
      linkName: text(header, 157, 100),
      header,
      body: archive.subarray(at + BLOCK, end),
    };
    at = end + padding(size);
  }
}

/** A new archive of regular files. Names up to 100 bytes. */
export function writeTar(files: readonly { readonly name: string; readonly body: Buffer }[], mtimeS: number): Buffer {
  const parts = files.flatMap(({ name, body }) => [
    fileHeader(name, body.length, mtimeS),
    body,
    Buffer.alloc(padding(body.length)),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** The same archive with every time set to `mtimeS`, so that the same files give the same bytes whenever they were written. */
export function withFixedTimes(archive: Buffer, mtimeS: number): Buffer {
  const parts: Buffer[] = [];
  for (const { type, header, body } of readTar(archive)) {
    const content = type === 'x' || type === 'g' ? withoutPaxTimes(body) : body;
    // An extension header that said nothing but times is gone altogether.
    if (content.length === 0 && body.length > 0) continue;
    const copy = Buffer.from(header);
    putOctal(copy, 124, 12, content.length);
    putOctal(copy, 136, 12, mtimeS);
    putChecksum(copy);
    parts.push(copy, content, Buffer.alloc(padding(content.length)));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** PAX records are `LENGTH KEY=VALUE\n`, where LENGTH counts all of it. */
function withoutPaxTimes(body: Buffer): Buffer {
  const kept: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const length = Number(body.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= 0) throw new Error('bad PAX record');
    const record = body.subarray(at, at + length);
    const key = record.toString('latin1', space - at + 1, record.indexOf(0x3d));
    if (!['mtime', 'atime', 'ctime'].includes(key)) kept.push(record);
    at += length;
  }
  return Buffer.concat(kept);
}

function fileHeader(name: string, size: number, mtimeS: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`name too long for a tar header: ${name}`);
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 'utf8');
  putOctal(header, 100, 8, 0o644);
  putOctal(header, 108, 8, 0);
  putOctal(header, 116, 8, 0);
  putOctal(header, 124, 12, size);
  putOctal(header, 136, 12, mtimeS);
  header.write('0', 156, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  putChecksum(header);
  return header;
}

function putOctal(header: Buffer, at: number, width: number, value: number): void {
  header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
}

function putChecksum(header: Buffer): void {
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** The sum of all bytes, with the checksum's own field as spaces. */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let index = 0; index < BLOCK; index += 1) sum += index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
  return sum;
}

function octal(header: Buffer, at: number, width: number): number {
  return Number.parseInt(text(header, at, width).trim() || '0', 8);
}

function text(header: Buffer, at: number, width: number): string {
  const field = header.subarray(at, at + width);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? width : end);
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
