import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Http1Facts } from '@mesh/proxy';
import { parseRequestHead, Http1Head } from '@mesh/wire';
import * as fc from 'fast-check';
import { byValues, forwardedField, wasForwardedBy } from './forwarded.ts';

const OWN = 'linkerd-gateway.mc.serviceaccount.identity.linkerd.cluster.local';

function headWith(...fields: readonly string[]): Http1Facts {
  const head = new Http1Head();
  const lines = fields.map((field) => `${field}\r\n`).join('');
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nhost: a\r\n${lines}\r\n`);
  parseRequestHead(head, bytes, 0, bytes.length);
  assert.equal(head.error, undefined);
  return new Http1Facts(head);
}

test('the field that we write says that it was us', () => {
  const line = Buffer.from(
    forwardedField({
      by: OWN,
      client: 'web.shop.serviceaccount.identity.linkerd.cluster.local',
      host: 'catalog.shop.svc.cluster.local:80',
    }).lines,
  ).toString();
  assert.equal(
    line,
    `forwarded: by=${OWN};for=web.shop.serviceaccount.identity.linkerd.cluster.local;host="catalog.shop.svc.cluster.local:80";proto=https\r\n`,
  );
  assert.equal(wasForwardedBy(headWith(line.trim()), OWN), true);
});

test('a hop is found in any element, any field, any case, with or without quotes', () => {
  assert.equal(wasForwardedBy(headWith(`Forwarded: for=x;by=other, for=y;BY="${OWN.toUpperCase()}"`), OWN), true);
  assert.equal(wasForwardedBy(headWith('Forwarded: by=other', `forwarded: proto=http;by=${OWN}`), OWN), true);
  assert.equal(wasForwardedBy(headWith(`Forwarded: for="by=${OWN}"`), OWN), false);
  assert.equal(wasForwardedBy(headWith(`x-fwd-by: by=${OWN}`), OWN), false);
});

test('separators inside quotes separate nothing', () => {
  assert.deepEqual(byValues('for="a,b;by=c\\"d";by=e'), ['e']);
});

test('no value breaks the line that we write or crashes the reader', () => {
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[ -~]*$/), (field, value) => {
      byValues(field);
      const line = Buffer.from(forwardedField({ by: value, client: 'c', host: 'h' }).lines).toString('latin1');
      assert.equal(line.indexOf('\r\n'), line.length - 2);
      if (value !== '') assert.deepEqual(byValues(line.slice('forwarded: '.length).trimEnd()), [value.toLowerCase()]);
    }),
  );
});
