import assert from 'node:assert/strict';
import test from 'node:test';
import { CONTROL_PLANE_SPEC, defaultControlPlaneValues } from './control-plane.ts';
import { difference, deepMerge } from './merge.ts';
import { nearest } from './nearest.ts';
import * as overrides from './overrides.ts';
import { defaultsOf, duration, flag, group, integer, list, map, oneOf, text } from './spec.ts';

const SPEC = group('values for these tests', {
  name: text('a', 'a name'),
  mode: oneOf('one', ['one', 'two'], 'a mode'),
  pause: duration('1s', 'a pause'),
  count: integer(1, 'a count', 0, 9),
  on: flag(false, 'a switch'),
  list: list('texts', 'text'),
  tolerations: list('maps'),
  deep: group('a group', { one: text('b', 'a text'), two: integer(2, 'a number') }),
  nodeSelector: map({ os: 'linux' }, 'nodes', 'text'),
});
const VALUES = defaultsOf(SPEC);
const applySet = (values: typeof VALUES, set: string, as?: 'string') => overrides.applySet(SPEC, values, set, as);
const mergeFile = (values: typeof VALUES, file: string, name: string) => overrides.mergeFile(SPEC, values, file, name);

test('--set reaches nested values and keeps the others', () => {
  assert.deepEqual(applySet(VALUES, 'deep.one=c,count=3'), { ...VALUES, count: 3, deep: { one: 'c', two: 2 } });
});

test('--set writes booleans, lists and escaped commas', () => {
  assert.deepEqual(applySet(VALUES, 'on=true,list={a,b},name=x\\,y'), {
    ...VALUES,
    on: true,
    list: ['a', 'b'],
    name: 'x,y',
  });
});

test('numbers for string values stay text, and text for numbers is refused', () => {
  assert.equal(applySet(VALUES, 'name=42').name, '42');
  assert.throws(() => applySet(VALUES, 'count=many'), /value count is "many": give a whole number from 0 to 9/);
});

test('--set-string never turns text into numbers', () => {
  assert.equal(applySet(VALUES, 'deep.one=007', 'string').deep.one, '007');
});

test('unknown names are refused with the known ones', () => {
  assert.throws(() => applySet(VALUES, 'deep.three=1'), /no value is called deep\.three; known there: one, two/);
  assert.throws(() => applySet(VALUES, 'nothing'), /expected NAME=VALUE/);
});

test("maps whose keys are the user's take any key", () => {
  assert.deepEqual(applySet(VALUES, 'nodeSelector.kubernetes\\.io/arch=arm64').nodeSelector, {
    os: 'linux',
    'kubernetes.io/arch': 'arm64',
  });
});

test('a values file merges deeply and is checked like --set', () => {
  assert.deepEqual(mergeFile(VALUES, 'deep: {two: 5}\nlist: [z]\n', 'v.yaml'), {
    ...VALUES,
    list: ['z'],
    deep: { one: 'b', two: 5 },
  });
  assert.throws(() => mergeFile(VALUES, 'deep: {tow: 5}', 'v.yaml'), /deep\.tow/);
  assert.throws(() => mergeFile(VALUES, '- 1', 'v.yaml'), /v\.yaml must hold a map/);
});

test('values are held to their limits, and the message names value, fault and remedy', () => {
  assert.throws(() => applySet(VALUES, 'mode=three'), /value mode is "three": give one or two/);
  assert.throws(() => applySet(VALUES, 'pause=soon'), /value pause is "soon": give a duration such as/);
  assert.throws(() => applySet(VALUES, 'count=10'), /from 0 to 9/);
  assert.throws(() => applySet(VALUES, 'deep=x'), /value deep is a group: set one of one, two/);
  assert.throws(() => applySet(VALUES, 'name.more=x'), /no value is called name\.more/);
  assert.throws(() => mergeFile(VALUES, 'nodeSelector: {a: 1}', 'v.yaml'), /value nodeSelector .* put numbers/);
});

test('--set reaches items of lists by index', () => {
  assert.deepEqual(applySet(VALUES, 'tolerations[0].key=a,tolerations[0].operator=Exists').tolerations, [
    { key: 'a', operator: 'Exists' },
  ]);
});

test("a values file adds to the user's own maps, and null takes entries away, as with Helm", () => {
  assert.deepEqual(mergeFile(VALUES, 'nodeSelector: {arch: arm64}', 'v.yaml').nodeSelector, {
    os: 'linux',
    arch: 'arm64',
  });
  assert.deepEqual(mergeFile(VALUES, 'nodeSelector: {os: null}', 'v.yaml').nodeSelector, {});
});

test('null in a values file keeps the default, as with Helm', () => {
  assert.deepEqual(mergeFile(VALUES, 'deep: {one: null}\nname:\n', 'v.yaml'), VALUES);
});

test("Linkerd's values without meaning here are refused with the reason, unless they say what holds anyway", () => {
  const values = defaultControlPlaneValues();
  const set = (pair: string) => overrides.applySet(CONTROL_PLANE_SPEC, values, pair);
  assert.throws(() => set('enablePSP=true'), /value enablePSP: Linkerd has it.*1\.25.*leave it out/);
  assert.throws(() => set('spValidator.logLevel=debug'), /spValidator/);
  assert.equal(set('enablePSP=false'), values);
});

test('the nearest name is found across case, letters and groups', () => {
  const known = overrides.leafPaths(CONTROL_PLANE_SPEC);
  assert.equal(nearest('proxy.logLevle', known), 'proxy.logLevel');
  assert.equal(nearest('proxy.loglevel', known), 'proxy.logLevel');
  assert.equal(nearest('issuanceLifetime', known), 'identity.issuer.issuanceLifetime');
  assert.equal(nearest('entirely-something-else', known), undefined);
});

test('the difference of values to their defaults, merged into the defaults, gives the values', () => {
  const defaults = defaultControlPlaneValues();
  const changed = overrides.applySet(
    CONTROL_PLANE_SPEC,
    defaults,
    'controllerReplicas=2,proxy.image.name=x,nodeSelector.a=b',
  );
  const changes = difference(CONTROL_PLANE_SPEC, defaults, changed);
  assert.deepEqual(changes, {
    controllerReplicas: 2,
    proxy: { image: { name: 'x' } },
    nodeSelector: { 'kubernetes.io/os': 'linux', a: 'b' },
  });
  assert.deepEqual(deepMerge(CONTROL_PLANE_SPEC, defaults, changes), changed);
});
