import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EndpointSlice, ServiceImport } from '@mesh/kube';
import { answer } from './answer.ts';
import { TYPE } from './message.ts';
import type { Reply } from './message.ts';
import { serviceImport, slice } from './testing/objects.ts';
import { ClustersetZone } from './zone.ts';

const SERVICES = ['a', 'b', 'c'];

type Event =
  | { readonly kind: 'import'; readonly object: ServiceImport }
  | { readonly kind: 'import gone'; readonly name: string }
  | { readonly kind: 'slice'; readonly object: EndpointSlice }
  | { readonly kind: 'slice gone'; readonly name: string };

const service = fc.constantFrom(...SERVICES);
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.tuple(service, fc.boolean(), fc.nat(3)).map(([name, headless, ip]) => ({
    kind: 'import' as const,
    object: serviceImport(name, headless ? { type: 'Headless', ips: [] } : { ips: [`10.96.0.${ip}`] }),
  })),
  service.map((name) => ({ kind: 'import gone' as const, name })),
  fc
    .tuple(service, fc.constantFrom('x', 'y'), fc.array(fc.tuple(fc.nat(5), fc.boolean()), { maxLength: 4 }))
    .map(([of, name, hosts]) => ({
      kind: 'slice' as const,
      object: slice(
        of,
        hosts.map(([host, ready]) => ({ addresses: [`10.0.0.${host}`], hostname: `h-${host}`, conditions: { ready } })),
        { name },
      ),
    })),
  fc.constantFrom('x', 'y').map((name) => ({ kind: 'slice gone' as const, name })),
);

function newZone(): ClustersetZone {
  return new ClustersetZone({ name: 'clusterset.local', serverAddresses: [], firstSerial: 1 });
}

/** What the zone says to everything that may be asked of these Services; serials differ with history. */
function said(zone: ClustersetZone): readonly unknown[] {
  const names = SERVICES.flatMap((name) => [
    [name],
    ['_http', '_tcp', name],
    ['east', name],
    ...[0, 1, 2, 3, 4, 5].map((host) => [`h-${host}`, 'east', name]),
  ]);
  const ask = (labels: readonly string[], type: number): Reply =>
    answer({ labels: [...labels, 'shop', 'svc', 'clusterset', 'local'], type, class: 1 }, zone);
  return [[], ...names].flatMap((labels) =>
    [TYPE.A, TYPE.SRV].map((type) => {
      const { code, answers, additional } = ask(labels, type);
      const sorted = (records: Reply['answers']): readonly string[] =>
        records.map((record) => JSON.stringify(record)).toSorted();
      return [labels, type, code, sorted(answers), sorted(additional)];
    }),
  );
}

test('whatever happened before, the zone says what is there now', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), fc.nat(7), (events, askEvery) => {
      const zone = newZone();
      const imports = new Map<string, ServiceImport>();
      const slices = new Map<string, EndpointSlice>();
      for (const [index, each] of events.entries()) {
        if (each.kind === 'import') {
          imports.set(each.object.metadata.name, each.object);
          zone.applyImport(each.object);
        } else if (each.kind === 'import gone') {
          zone.removeImport({ metadata: { name: each.name, namespace: 'shop' } });
          imports.delete(each.name);
        } else {
          const name = each.kind === 'slice' ? each.object.metadata.name : each.name;
          const previous = slices.get(name);
          if (previous !== undefined) zone.removeSlice(previous);
          slices.delete(name);
          if (each.kind === 'slice') {
            slices.set(name, each.object);
            zone.applySlice(each.object);
          }
        }
        // Records are made when asked for, and must not outlive a change.
        if (index % (askEvery + 1) === 0) said(zone);
      }
      const fresh = newZone();
      for (const object of imports.values()) fresh.applyImport(object);
      for (const object of slices.values()) fresh.applySlice(object);
      assert.deepEqual(said(zone), said(fresh));
      assert.equal(zone.importCount, imports.size);
    }),
  );
});
