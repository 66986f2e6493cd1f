/** Flags and steps that several commands share. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { CliError } from '../errors.ts';
import { kubeConfigOptions } from '../io.ts';
import type { CliIo, Connection, GlobalFlags } from '../io.ts';
import type { Manifest } from '../manifests/object.ts';
import { applySet, assign, mergeFile } from '../values/overrides.ts';
import type { GroupSpec } from '../values/spec.ts';
import { printManifests } from '../yaml.ts';
import type { ManifestFormat } from '../yaml.ts';

export async function connectWith(command: Command, io: CliIo): Promise<Connection> {
  return io.connect(kubeConfigOptions(command.optsWithGlobals<GlobalFlags>(), io.env));
}

export interface ManifestFlags {
  readonly output: ManifestFormat;
}

export function manifestOutput(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'output format').choices(['yaml', 'json']).default('yaml'),
  );
}

export function writeManifests(io: CliIo, objects: readonly Manifest[], flags: ManifestFlags): void {
  io.stdout(printManifests(objects, flags.output));
}

export interface ValuesFlags {
  readonly values?: readonly string[];
  readonly set?: readonly string[];
  readonly setString?: readonly string[];
  readonly setFile?: readonly string[];
}

/** Helm's four flags, in Helm's order of precedence: files first, then the others. */
export function valuesFlags(command: Command): Command {
  const repeat = (value: string, previous: readonly string[] | undefined): readonly string[] => [
    ...(previous ?? []),
    value,
  ];
  return command
    .addOption(
      new Option('-f, --values <file>', 'YAML file with values; repeat for several, later ones win').argParser(repeat),
    )
    .addOption(new Option('--set <name=value>', 'set a value; repeat or separate by commas').argParser(repeat))
    .addOption(new Option('--set-string <name=value>', 'set a value that stays a string').argParser(repeat))
    .addOption(new Option('--set-file <name=path>', "set a value to a file's content").argParser(repeat));
}

/** @throws CliError naming the value, what is wrong with it, and what to give. */
export async function applyValuesFlags<V extends object>(
  spec: GroupSpec,
  values: V,
  flags: ValuesFlags,
  io: CliIo,
): Promise<V> {
  let result = values;
  for (const file of flags.values ?? []) result = mergeFile(spec, result, await readInput(io, file, '--values'), file);
  for (const text of flags.set ?? []) result = applySet(spec, result, text);
  for (const text of flags.setString ?? []) result = applySet(spec, result, text, 'string');
  for (const text of flags.setFile ?? []) {
    const equals = text.indexOf('=');
    if (equals <= 0)
      throw new CliError({ code: 'usage', flag: '--set-file' }, `--set-file ${text}: expected NAME=PATH`);
    result = assign(spec, result, text.slice(0, equals), await readInput(io, text.slice(equals + 1), '--set-file'));
  }
  return result;
}

/** @throws CliError naming the flag and the file. */
export async function readInput(io: CliIo, path: string, flag: string): Promise<string> {
  try {
    return path === '-' ? await io.stdin() : await io.readFile(path);
  } catch (error) {
    throw new CliError(
      { code: 'usage', flag },
      `${flag} ${path}: cannot read it (${error instanceof Error ? error.message : String(error)}); give the path of a readable file`,
      { cause: error },
    );
  }
}
