/** What a description of values is printed as: a chart's `values.yaml`, its JSON schema, and a table for people. */
import { toYaml } from '../yaml.ts';
import { defaultsOf } from './spec.ts';
import type { GroupSpec, LeafSpec, TextSpec, ValueSpec } from './spec.ts';

/** Defaults with a comment above each. */
export function valuesYaml(spec: GroupSpec): string {
  return fieldsYaml(spec, '').join('\n');
}

function fieldsYaml(group: GroupSpec, pad: string): readonly string[] {
  return Object.entries(group.fields).flatMap(([name, field]) => [
    `${pad}# ${field.about}${limits(field)}`,
    ...(field.kind === 'group'
      ? [`${pad}${name}:`, ...fieldsYaml(field, `${pad}  `)]
      : toYaml({ [name]: field.default })
          .trimEnd()
          .split('\n')
          .map((line) => pad + line)),
  ]);
}

function limits(spec: ValueSpec): string {
  if (spec.kind !== 'text' || spec.oneOf === undefined) return '';
  return ` (${spec.oneOf.join(', ')})`;
}

/** JSON Schema (draft 7), by which Helm itself refuses misspelt names and bad values. */
export function valuesSchema(spec: GroupSpec): Readonly<Record<string, unknown>> {
  const root = schemaOf(spec) as { readonly properties: Readonly<Record<string, unknown>> };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    ...root,
    // Helm hands these from a parent chart to all of its parts.
    properties: { ...root.properties, global: { type: 'object' } },
  };
}

function schemaOf(spec: ValueSpec): Readonly<Record<string, unknown>> {
  if (spec.kind !== 'group') return { description: spec.about, ...leafSchema(spec) };
  const properties = Object.entries(spec.fields).map(([name, field]) => [name, schemaOf(field)] as const);
  return {
    description: spec.about,
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  };
}

function leafSchema(spec: LeafSpec): Readonly<Record<string, unknown>> {
  switch (spec.kind) {
    case 'text':
      return textSchema(spec);
    case 'integer':
      return { type: 'integer', minimum: spec.min, maximum: spec.max };
    case 'flag':
      return { type: 'boolean' };
    case 'list':
      return { type: 'array', items: { type: spec.items === 'text' ? 'string' : 'object' } };
    case 'map':
      return { type: 'object', ...(spec.entries === 'text' ? { additionalProperties: { type: 'string' } } : {}) };
    default:
      return spec satisfies never;
  }
}

function textSchema(spec: TextSpec): Readonly<Record<string, unknown>> {
  const type = spec.mayBeNumber === true ? ['string', 'number'] : 'string';
  if (spec.oneOf !== undefined) return { type, enum: [...(spec.default === '' ? [''] : []), ...spec.oneOf] };
  if (spec.pattern === undefined) return { type };
  return { type, pattern: spec.default === '' ? `^$|${spec.pattern.source}` : spec.pattern.source };
}

/** A Markdown table of every value with its default. */
export function valuesTable(spec: GroupSpec): string {
  const rows = leaves(spec, '').map(([path, field]) => {
    const fallback = JSON.stringify(defaultsOf(field)).replaceAll('|', '\\|');
    return `| \`${path}\` | ${fallback === '""' ? '' : `\`${fallback}\``} | ${field.about}${limits(field)} |`;
  });
  return ['| value | default | what it is |', '|---|---|---|', ...rows, ''].join('\n');
}

function leaves(group: GroupSpec, prefix: string): readonly (readonly [string, LeafSpec])[] {
  return Object.entries(group.fields).flatMap(([name, field]) =>
    field.kind === 'group' ? leaves(field, `${prefix}${name}.`) : [[`${prefix}${name}`, field] as const],
  );
}
