import assert from 'node:assert/strict';
import test from 'node:test';
import { DEFAULT_INJECTION_VALUES } from '@mesh/control-plane/inject';
import type { InjectionValues } from '@mesh/control-plane/inject';
import { MESH_VERSION } from '../version.ts';
import { defaultControlPlaneValues } from './control-plane.ts';

test('the values of an installation have the names and defaults that the injector knows', () => {
  const values: InjectionValues = defaultControlPlaneValues();
  const known: InjectionValues = {
    ...DEFAULT_INJECTION_VALUES,
    linkerdVersion: MESH_VERSION,
    proxy: {
      ...DEFAULT_INJECTION_VALUES.proxy,
      image: { ...DEFAULT_INJECTION_VALUES.proxy.image, version: MESH_VERSION },
    },
  };
  const shared = Object.fromEntries(Object.keys(known).map((name) => [name, values[name as keyof InjectionValues]]));
  assert.deepEqual(shared, known);
});
