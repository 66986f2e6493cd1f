/**
 * Keeps a store's objects in one append-only file, so that a restarted server continues with the same state and
 * resource versions.
 *
 *   {"format":1,"version":4711}                         header: the version at the last compaction
 *   {"v":4712,"b":"apps/deployments","i":"ns/a","o":{…}}  a write; without "o" a deletion
 *
 * A torn last line (the process died while writing) is dropped. When the file has grown to several times what is
 * alive it is rewritten beside itself and renamed. Writes reach the kernel at once but aren't synced to the disk: state
 * survives a killed process, and perhaps not a power cut.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { MeshError } from '@mesh/runtime';
import type { JournalSink, Store } from './store.ts';
import type { KubeObject } from './types.ts';

const FILE_NAME = 'state.jsonl';
const FORMAT = 1;
/** Compaction starts here: below it a rewrite saves nothing that one would notice. */
const COMPACT_BYTES_MIN = 4 * 1024 * 1024;
/** And when the file is this many times larger than after the last compaction. */
const COMPACT_GROWTH = 4;

interface JournalLine {
  readonly v: number;
  readonly b: string;
  readonly i: string;
  readonly o?: KubeObject;
}

export class Journal implements JournalSink {
  readonly #path: string;
  readonly #store: Store;
  readonly #compactBytesMin: number;
  #descriptor: number | undefined;
  #sizeBytes = 0;
  #compactedBytes = 0;
  #compactionDue = false;

  constructor(folder: string, store: Store, options: { readonly compactBytesMin?: number } = {}) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#path = join(folder, FILE_NAME);
    this.#store = store;
    this.#compactBytesMin = options.compactBytesMin ?? COMPACT_BYTES_MIN;
  }

  /** Reads the file into the store and opens it for writing. True when there was a state to read. */
  open(): boolean {
    const found = existsSync(this.#path) && this.#replay(readFileSync(this.#path, 'utf8'));
    this.compact();
    this.#store.attachJournal(this);
    return found;
  }

  append(bucket: string, id: string, object: KubeObject | undefined, version: number): void {
    if (this.#descriptor === undefined) throw new Error('journal is closed');
    const line: JournalLine = { v: version, b: bucket, i: id, ...(object === undefined ? {} : { o: object }) };
    this.#sizeBytes += writeSync(this.#descriptor, `${JSON.stringify(line)}\n`);
    const limit = Math.max(this.#compactBytesMin, this.#compactedBytes * COMPACT_GROWTH);
    if (this.#sizeBytes > limit && !this.#compactionDue) {
      this.#compactionDue = true;
      // Not now: the write that is being recorded is not in the store yet.
      queueMicrotask(() => {
        if (this.#descriptor !== undefined) this.compact();
      });
    }
  }

  /** Rewrites the file with what is alive. */
  compact(): void {
    this.#compactionDue = false;
    const lines = [JSON.stringify({ format: FORMAT, version: this.#store.version })];
    for (const bucket of this.#store.bucketNames) {
      for (const [id, object] of this.#store.iterate(bucket)) {
        lines.push(JSON.stringify({ v: Number(object.metadata.resourceVersion), b: bucket, i: id, o: object }));
      }
    }
    const text = `${lines.join('\n')}\n`;
    const temporary = `${this.#path}.new`;
    writeFileSync(temporary, text, { mode: 0o600 });
    this.close();
    renameSync(temporary, this.#path);
    this.#descriptor = openSync(this.#path, 'a', 0o600);
    this.#sizeBytes = Buffer.byteLength(text);
    this.#compactedBytes = this.#sizeBytes;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #replay(text: string): boolean {
    const lines = text.split('\n');
    const last = lines.pop();
    const header = parseLine(lines[0] ?? last ?? '') as { format?: number; version?: number } | undefined;
    if (header === undefined) return false;
    if (header.format !== FORMAT || typeof header.version !== 'number') {
      throw new MeshError(
        { code: 'journal_format', path: this.#path, format: header.format },
        `${this.#path} has format ${header.format}, this server reads format ${FORMAT}: use another data folder or delete the file`,
      );
    }
    this.#store.restoreVersion(header.version);
    for (const [index, text] of lines.entries()) {
      if (index === 0) continue;
      const line = parseLine(text) as JournalLine | undefined;
      if (line === undefined) {
        if (index === lines.length - 1) break;
        throw new MeshError(
          { code: 'journal_damaged', path: this.#path, line: index + 1 },
          `${this.#path} line ${index + 1} is not JSON: restore the file or use an empty data folder`,
        );
      }
      this.#store.restore(line.b, line.i, line.o);
      this.#store.restoreVersion(line.v);
    }
    return true;
  }
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
