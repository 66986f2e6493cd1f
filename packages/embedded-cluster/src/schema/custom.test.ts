/** Custom resources and their definitions, compared with what Kubernetes 1.34 answered. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileSchema } from './crd/compile.ts';
import { decodeCustom, pruneObject } from './crd/default-prune.ts';
import { validateObject } from './crd/validate-value.ts';
import { decodeErrorText, strictErrorText } from './decode.ts';
import { failure, invalid, invalidStatus } from './field-error.ts';
import { cloneJson, equalJson, objectAt, stringAt, type JsonObject } from './json.ts';
import { dnsSubdomainErrors } from './names.ts';
import { DEFINITION_CASES, SAMPLE_CASES, SAMPLE_DEFINITION } from './testing/custom-cases.ts';
import { unordered } from './testing/normalise.ts';
import { create } from './testing/pipeline.ts';
import { validateMetadata } from './validation/metadata.ts';

function golden(name: string): Record<string, JsonObject> {
  return JSON.parse(readFileSync(new URL(`testing/golden/${name}.json`, import.meta.url), 'utf8')) as Record<
    string,
    JsonObject
  >;
}

describe('a definition is accepted or refused as by Kubernetes', () => {
  const expected = golden('definitions');
  for (const { name, object } of DEFINITION_CASES) {
    it(name, () => {
      const answer = create({ group: 'apiextensions.k8s.io', version: 'v1', kind: 'CustomResourceDefinition' }, object);
      assert.deepEqual(unordered(answer), unordered(expected[name] ?? {}));
    });
  }
});

const schema = compileSchema(SAMPLE_DEFINITION.spec.versions[0].schema.openAPIV3Schema);

function createSample(input: JsonObject, strict: boolean): JsonObject {
  const kind = stringAt(input, 'kind') ?? 'Sample';
  const { object, unknownFields, error } = decodeCustom(schema, input);
  if (error !== undefined) return failure(400, 'BadRequest', decodeErrorText('Sample', 'v1', error));
  if (strict && unknownFields.length > 0)
    return failure(400, 'BadRequest', decodeErrorText('Sample', 'v1', strictErrorText(unknownFields)));
  delete object['status'];
  const metadata = objectAt(object, 'metadata');
  metadata['namespace'] = 't';
  const errors =
    kind === 'Sample'
      ? [...validateMetadata(metadata, true, dnsSubdomainErrors, { isCustom: true }), ...validateObject(schema, object)]
      : [invalid('kind', kind, 'must be Sample')];
  return errors.length > 0
    ? invalidStatus({ group: 'example.net', kind }, stringAt(metadata, 'name') ?? '', errors)
    : object;
}

describe('an object of a custom resource is stored or refused as by Kubernetes', () => {
  const expected = golden('samples');
  for (const { name, object, strict } of SAMPLE_CASES) {
    it(name, { skip: name === 'kind missing' ? 'decided before the type is known' : false }, () => {
      assert.deepEqual(unordered(createSample(cloneJson(object), strict === true)), unordered(expected[name] ?? {}));
    });
  }

  it('pruning twice changes nothing more, and never removes what the schema knows', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('spec', 'status', 'x'),
          fc.dictionary(fc.constantFrom('text', 'free', 'strings', 'map', 'zz'), fc.jsonValue()),
        ),
        (value) => {
          const once = cloneJson(value) as JsonObject;
          pruneObject(schema, once);
          const twice = cloneJson(once);
          assert.deepEqual(pruneObject(schema, twice), []);
          assert.ok(equalJson(once, twice));
        },
      ),
    );
  });

  it('never throws on garbage', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (root, spec) => {
        const { object, error } = decodeCustom(schema, { ...root, spec });
        if (error === undefined) validateObject(schema, object);
      }),
    );
  });
});
