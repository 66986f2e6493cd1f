/** Corefiles, the configuration of CoreDNS: the server block of one zone, put in, replaced or taken out; the rest stays byte for byte. Pure. */
import { CliError } from './errors.ts';

/** The block that forwards a zone to a name server. Answers live 5 s, so the cache takes the repeated questions of search lists only. */
export function forwardBlock(zone: string, address: string): string {
  return `${zone}:53 {\n    errors\n    cache 10\n    forward . ${address}\n}\n`;
}

/** @throws CliError `bad_value` when the zone shares its block with others: that was written by a person */
export function withBlock(corefile: string, zone: string, block: string): string {
  const range = blockOf(corefile, zone);
  if (range !== undefined) return corefile.slice(0, range.from) + block + corefile.slice(range.to);
  const separator = corefile === '' || corefile.endsWith('\n') ? '' : '\n';
  return corefile + separator + block;
}

/** @throws CliError as {@link withBlock} */
export function withoutBlock(corefile: string, zone: string): string {
  const range = blockOf(corefile, zone);
  return range === undefined ? corefile : corefile.slice(0, range.from) + corefile.slice(range.to);
}

/** What the `forward` line of the zone's block names; nothing without such a block. @throws CliError as {@link withBlock} */
export function forwards(corefile: string, zone: string): readonly string[] {
  const range = blockOf(corefile, zone);
  if (range === undefined) return [];
  const [, targets = ''] = /^\s*forward\s+\S+([^\n#{]*)/m.exec(corefile.slice(range.from, range.to)) ?? [];
  return targets.split(/\s+/).filter((target) => target !== '');
}

interface Range {
  readonly from: number;
  readonly to: number;
}

function blockOf(corefile: string, zone: string): Range | undefined {
  let at = 0;
  let depth = 0;
  let from: number | undefined;
  for (const line of corefile.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const words = line
      .replace(/#[^\n]*/, '')
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '');
    const opens = words.at(-1) === '{';
    if (opens && depth === 0 && isBlockOf(words.slice(0, -1), zone)) from = at;
    at += line.length;
    if (opens) depth += 1;
    else if (words[0] === '}') depth -= 1;
    if (from !== undefined && depth === 0) return { from, to: at };
  }
  if (from === undefined) return undefined;
  throw new CliError({ code: 'bad_value', field: 'Corefile' }, `the block of ${zone} in the Corefile has no end`);
}

function isBlockOf(keys: readonly string[], zone: string): boolean {
  const zones = keys.map((key) =>
    key
      .replace(/,$/, '')
      .replace(/^dns:\/\//, '')
      .replace(/:\d+$/, '')
      .replace(/\.$/, '')
      .toLowerCase(),
  );
  if (!zones.includes(zone)) return false;
  if (zones.every((each) => each === zone)) return true;
  throw new CliError(
    { code: 'bad_value', field: 'Corefile' },
    `the Corefile has one block for ${keys.join(' ')}: give ${zone} a block of its own, or leave it as it is`,
  );
}
