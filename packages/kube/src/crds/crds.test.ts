import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  EXPORT_POLICIES,
  EXPORTED_ENDPOINTS,
  EXPORTED_SERVICES,
  LINKS,
  PEERS,
  POLICY_HTTP_ROUTES,
  SERVERS,
  SERVICE_EXPORTS,
  SERVICE_IMPORTS,
} from '../kinds.ts';
import { FEDERATION_CRDS } from './federation-crds.ts';
import { LINK_CRD } from './link-crd.ts';
import { MCS_CRDS } from './mcs-crds.ts';
import { MESH_CRDS } from './policy-crds.ts';
import type { Schema } from './schema.ts';

const ALL = [LINK_CRD, ...MESH_CRDS, ...FEDERATION_CRDS, ...MCS_CRDS];

test('each definition has exactly one storage version, and it is served', () => {
  for (const crd of ALL) {
    const storage = crd.spec.versions.filter((version) => version.storage);
    assert.equal(storage.length, 1, crd.metadata.name);
    assert.equal(storage[0]?.served, true, crd.metadata.name);
    assert.equal(crd.metadata.name, `${crd.spec.names.plural}.${crd.spec.group}`);
  }
});

/** The rules of structural schemas that we could break: a type everywhere (int-or-string excepted), defaults only in properties. */
function checkStructural(schema: Schema, path: string): void {
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
  assert.ok(isIntOrString || typeof schema['type'] === 'string', `${path} has no type`);
  for (const [name, child] of Object.entries((schema['properties'] ?? {}) as Record<string, Schema>))
    checkStructural(child, `${path}.${name}`);
  if (schema['items'] !== undefined) checkStructural(schema['items'] as Schema, `${path}[]`);
  if (schema['additionalProperties'] !== undefined)
    checkStructural(schema['additionalProperties'] as Schema, `${path}{}`);
  assert.ok(
    !(schema['properties'] !== undefined && schema['additionalProperties'] !== undefined),
    `${path} mixes properties and additionalProperties`,
  );
  const properties = Object.keys(schema['properties'] ?? {});
  for (const required of (schema['required'] ?? []) as string[]) {
    assert.ok(properties.includes(required), `${path} requires ${required}, which it does not define`);
  }
}

test('every schema is structural', () => {
  for (const crd of ALL) {
    for (const version of crd.spec.versions)
      checkStructural(version.schema.openAPIV3Schema, `${crd.metadata.name}/${version.name}`);
  }
});

test('the kinds that we read are storage or served versions', () => {
  const kinds = [
    LINKS,
    SERVERS,
    POLICY_HTTP_ROUTES,
    PEERS,
    EXPORT_POLICIES,
    EXPORTED_SERVICES,
    EXPORTED_ENDPOINTS,
    SERVICE_EXPORTS,
    SERVICE_IMPORTS,
  ];
  for (const kind of kinds) {
    const crd = ALL.find((entry) => entry.spec.group === kind.group && entry.spec.names.plural === kind.plural);
    assert.equal(crd?.spec.versions.find((version) => version.name === kind.version)?.served, true, kind.plural);
  }
});
