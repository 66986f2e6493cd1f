import assert from 'node:assert/strict';
import test from 'node:test';
import { installDefaults } from '../values/installed.ts';
import { chartTemplate } from './chart-template.ts';
import {
  asText,
  base64,
  both,
  choose,
  core,
  equals,
  evaluate,
  isAbove,
  isSet,
  NAMESPACE,
  not,
  orElse,
  overlaid,
  text,
  tree,
  when,
  withNewline,
} from './template.ts';

const scope = { values: installDefaults({ ha: false }), namespace: 'ns' };
const print = (node: object) => chartTemplate({ name: 'one', manifests: [node] });

test('text with values is one text in both languages', () => {
  const name = text`100%-${NAMESPACE}-${8080}`;
  assert.equal(evaluate(name, scope), '100%-ns-8080');
  assert.equal(print({ name }), '---\nname: {{ toJson (printf "100%%-%v-%v" .Release.Namespace 8080) }}\n');
  assert.equal(text`plain`, 'plain');
});

test('entries whose condition does not hold are not there, in maps and in lists', () => {
  const absent = isSet(core('priorityClassName'));
  const node = { a: when(absent, 1), b: when(absent, 1, 2), list: ['x', when(not(absent), 'y'), when(absent, 'z')] };
  assert.deepEqual(evaluate(node, scope), { b: 2, list: ['x', 'y'] });
  assert.equal(
    print({ a: when(absent, { deep: true }), b: when(absent, 1, 2) }),
    `---
{{- if (not (empty .Values.priorityClassName)) }}
a:
  deep: true
{{- end }}
{{- if (not (empty .Values.priorityClassName)) }}
b: 1
{{- else }}
b: 2
{{- end }}
`,
  );
});

test("the user's maps and lists are trees below their key, over what is there already", () => {
  const labels = overlaid({ app: NAMESPACE, 'kubernetes.io/os': 'x' }, core('nodeSelector'));
  assert.deepEqual(evaluate({ labels }, scope), { labels: { app: 'ns', 'kubernetes.io/os': 'linux' } });
  assert.equal(
    print({ spec: { nodeSelector: tree(core('nodeSelector')) } }),
    '---\nspec:\n  nodeSelector:\n    {{- toYaml .Values.nodeSelector | nindent 4 }}\n',
  );
});

test('what a value is made into is the same as Helm makes of it', () => {
  const cases: readonly (readonly [ReturnType<typeof core> | ReturnType<typeof not>, unknown, string])[] = [
    [asText(core('controllerReplicas')), '1', '(toString .Values.controllerReplicas)'],
    [base64(core('clusterDomain')), 'Y2x1c3Rlci5sb2NhbA==', '(b64enc .Values.clusterDomain)'],
    [withNewline(core('clusterDomain')), 'cluster.local\n', '(printf "%s\\n" (trim .Values.clusterDomain))'],
    [orElse(core('priorityClassName'), 'p'), 'p', '(default "p" .Values.priorityClassName)'],
    [isAbove(core('controllerGID'), -1), false, '(gt (int .Values.controllerGID) (int "-1"))'],
    [
      both(core('installNamespace'), equals(core('clusterDomain'), 'x')),
      false,
      '(and .Values.installNamespace (eq .Values.clusterDomain "x"))',
    ],
    [choose(core('installNamespace'), 'a', 'b'), 'a', '(ternary "a" "b" .Values.installNamespace)'],
  ];
  for (const [expression, value, helm] of cases) {
    assert.deepEqual(expression.evaluate(scope), value, helm);
    assert.equal(expression.helm, helm);
  }
});

test('texts that YAML or the template language would take for something else are quoted', () => {
  assert.equal(
    print({ a: 'true', b: '1.5', c: 'x: y', d: '{{ e }}', f: '', g: 'plain-text', h: [], i: {} }),
    '---\na: "true"\nb: "1.5"\nc: "x: y"\nd: "{{ "{{" }} e }}"\nf: ""\ng: plain-text\nh: []\ni: {}\n',
  );
});

test('what cannot be printed is refused when the charts are made, not when somebody renders them', () => {
  assert.throws(() => print(when(core('installNamespace'), { a: 1 }, { b: 1 })), /cannot have an alternative/);
  assert.throws(() => print({ list: [tree(core('tolerations'))] }), /wrap the list/);
  assert.throws(() => print({ list: [{ a: when(core('installNamespace'), 1) }] }), /first field/);
});
