/** Manifests as text, both ways: YAML streams, JSON, and `List` objects unpacked. */
import { parseAllDocuments, stringify } from 'yaml';
import { CliError } from './errors.ts';
import type { Manifest } from './manifests/object.ts';

export type ManifestFormat = 'yaml' | 'json';

/** YAML: one document per object, `---` before each. JSON: one `List`, which kubectl reads as well as a stream. */
export function printManifests(objects: readonly Manifest[], format: ManifestFormat = 'yaml'): string {
  if (format === 'json') {
    return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, undefined, 2)}\n`;
  }
  return objects.map((object) => `---\n${toYaml(object)}`).join('');
}

/** Texts that YAML 1.1, which kubectl and Helm read, takes for something else (`off`) are quoted. */
export function toYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' });
}

/** @throws CliError `bad_manifest` naming the source, the document and the fault. */
export function parseManifests(text: string, source = 'input'): Manifest[] {
  const objects: Manifest[] = [];
  for (const [index, document] of parseAllDocuments(text).entries()) {
    const fault = document.errors[0];
    if (fault !== undefined) {
      throw new CliError(
        { code: 'bad_manifest', source },
        `${source}: document ${index + 1} is not YAML: ${fault.message}`,
      );
    }
    const value: unknown = document.toJS();
    if (value === null || value === undefined) continue;
    objects.push(...unpack(value, `${source}: document ${index + 1}`));
  }
  return objects;
}

function unpack(value: unknown, where: string): Manifest[] {
  if (!isManifest(value)) {
    throw new CliError(
      { code: 'bad_manifest', source: where },
      `${where} is not a Kubernetes object: it needs apiVersion and kind`,
    );
  }
  if (value.kind !== 'List' || !Array.isArray(value['items'])) return [value];
  return value['items'].flatMap((item: unknown, index: number) => unpack(item, `${where}, item ${index + 1}`));
}

function isManifest(value: unknown): value is Manifest {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Manifest).apiVersion === 'string' &&
    typeof (value as Manifest).kind === 'string'
  );
}
