import assert from 'node:assert/strict';
import test from 'node:test';
import { applySet, mergeFile } from './overrides.ts';

const VALUES = {
  name: 'a',
  count: 1,
  on: false,
  list: ['x'],
  deep: { one: 'b', two: 2 },
  nodeSelector: { os: 'linux' },
};

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
  assert.throws(() => applySet(VALUES, 'count=many'), /value count: "many" given, a number needed/);
});

test('--set-string never turns text into numbers', () => {
  assert.equal(applySet(VALUES, 'deep.one=007', 'string').deep.one, '007');
});

test('unknown names are refused with the known ones', () => {
  assert.throws(() => applySet(VALUES, 'deep.three=1'), /no value is called deep\.three; known here: one, two/);
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
