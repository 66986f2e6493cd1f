import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { builtinKinds } from './builtin-types.ts';
import { isObject, objectAt, type JsonObject } from './json.ts';
import { openapiV2, openapiV3, openapiV3Index, type OpenapiResource } from './openapi/documents.ts';
import { WIDGET_DEFINITION } from './testing/apply-cases.ts';

const deployments: OpenapiResource = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  isNamespaced: true,
  subresources: ['status', 'scale'],
};
const definitions: OpenapiResource = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  isNamespaced: false,
};
const widgets: OpenapiResource = {
  group: 'example.com',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  isNamespaced: true,
  subresources: ['status'],
  schema: WIDGET_DEFINITION.spec.versions[0].schema.openAPIV3Schema,
};
const info = { version: 'v1.34.4' };

/** Every reference of a document. */
function references(value: unknown, found: string[] = []): string[] {
  if (Array.isArray(value)) for (const item of value) references(item, found);
  else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (key === '$ref' && typeof item === 'string') found.push(item);
      else references(item, found);
    }
  }
  return found;
}

describe('the OpenAPI v3 document of a group', () => {
  const document = openapiV3([deployments, definitions, widgets], info);
  const schemas = objectAt(document, 'components', 'schemas');

  it('resolves all its references', () => {
    for (const reference of references(objectAt(document, 'paths')))
      assert.ok(schemas[reference.replace('#/components/schemas/', '')], reference);
    for (const reference of references(objectAt(schemas, 'io.k8s.api.core.v1.PodSpec')))
      assert.ok(schemas[reference.replace('#/components/schemas/', '')], reference);
  });

  it('tells how lists merge', () => {
    assert.deepEqual(objectAt(schemas, 'io.k8s.api.core.v1.PodSpec', 'properties')['containers'], {
      type: 'array',
      items: { $ref: '#/components/schemas/io.k8s.api.core.v1.Container' },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-patch-strategy': 'merge',
    });
  });

  it('names the kind of each type and operation, and the parameter that says that fields are validated', () => {
    assert.deepEqual(objectAt(schemas, 'io.k8s.api.apps.v1.Deployment')['x-kubernetes-group-version-kind'], [
      { group: 'apps', version: 'v1', kind: 'Deployment' },
    ]);
    assert.deepEqual(objectAt(schemas, 'com.example.v1.Widget')['x-kubernetes-group-version-kind'], [
      { group: 'example.com', version: 'v1', kind: 'Widget' },
    ]);
    const patch = objectAt(document, 'paths', '/apis/example.com/v1/namespaces/{namespace}/widgets/{name}', 'patch');
    assert.ok((patch['parameters'] as JsonObject[]).some((parameter) => parameter['name'] === 'fieldValidation'));
    assert.deepEqual(Object.keys(objectAt(patch, 'requestBody', 'content')), [
      'application/json-patch+json',
      'application/merge-patch+json',
      'application/apply-patch+yaml',
    ]);
    assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group: 'example.com', version: 'v1', kind: 'Widget' });
  });

  it('carries the schema of a custom resource with metadata', () => {
    assert.equal(objectAt(schemas, 'com.example.v1.Widget', 'properties', 'spec', 'properties', 'size')['minimum'], 0);
    assert.deepEqual(objectAt(schemas, 'com.example.v1.Widget', 'properties')['metadata'], {
      $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta',
    });
  });

  it('is found through the index', () => {
    assert.deepEqual(openapiV3Index({ 'apis/apps/v1': 'AB' }), {
      paths: { 'apis/apps/v1': { serverRelativeURL: '/openapi/v3/apis/apps/v1?hash=AB' } },
    });
  });
});

describe('every built-in kind', () => {
  it('has a type whose references resolve, in both versions', () => {
    const kinds = builtinKinds().filter(({ kind }) => !kind.endsWith('List'));
    assert.ok(kinds.length > 60);
    const resources = kinds.map((kind): OpenapiResource => ({
      ...kind,
      plural: `${kind.kind.toLowerCase()}s`,
      isNamespaced: true,
    }));
    for (const [document, prefix, path] of [
      [openapiV3(resources, info), '#/components/schemas/', ['components', 'schemas']],
      [openapiV2(resources, info), '#/definitions/', ['definitions']],
    ] as const) {
      const schemas = objectAt(document, ...path);
      for (const reference of new Set(references(document)))
        assert.ok(schemas[reference.replace(prefix, '')], reference);
    }
  });
});

describe('the OpenAPI v2 document', () => {
  it('resolves all its references and says nothing that v2 cannot say', () => {
    const document = openapiV2([deployments, widgets], info);
    const schemas = objectAt(document, 'definitions');
    for (const reference of references(document))
      assert.ok(schemas[reference.replace('#/definitions/', '')], reference);
    assert.doesNotMatch(JSON.stringify(schemas), /"(?:oneOf|anyOf|nullable)":/);
  });
});
