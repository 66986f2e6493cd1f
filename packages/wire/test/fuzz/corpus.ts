/** The kept inputs: one file per codec, a line each, hexadecimal, with a remark. Inputs that once broke a codec join them and stay. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Which file belongs to which target. */
const FILES: Readonly<Record<string, string>> = {
  'h1-request': 'h1-request',
  'h1-response': 'h1-response',
  chunked: 'chunked',
  'h2-server': 'h2-server',
  'h2-client': 'h2-client',
  hpack: 'hpack',
  translate: 'hpack',
  transport: 'transport',
  hello: 'hello',
};

export function readCorpus(target: string): Buffer[] {
  const path = fileURLToPath(new URL(`corpus/${FILES[target] ?? target}.txt`, import.meta.url));
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'hex'));
}
