/**
 * `fetch` for Bun by way of `node:http` and `node:https`, whose sockets pass through the shim.
 * Other schemes go to Bun's own fetch.
 */
'use strict';

const { Readable } = require('node:stream');

const REDIRECTS_MAX = 20;
const NULL_BODY = new Set([101, 204, 205, 304]);

async function fetchByHttp(native, input, init) {
  const request = new Request(input, init);
  const url = new URL(request.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return native(input, init);
  const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer());
  return follow(request, url, request.method, body, init, 0);
}

async function follow(request, url, method, body, init, count) {
  const response = await send(request, url, method, body, init);
  const location = response.headers.location;
  const redirected = [301, 302, 303, 307, 308].includes(response.statusCode) && location !== undefined;
  if (!redirected || request.redirect === 'manual') return toResponse(response, url, count > 0);
  response.resume();
  if (request.redirect === 'error') throw new TypeError('fetch failed: unexpected redirect');
  if (count >= REDIRECTS_MAX) throw new TypeError('fetch failed: redirect count exceeded');
  const next = new URL(location, url);
  const toGet = response.statusCode === 303 || (method === 'POST' && response.statusCode < 303);
  return follow(request, next, toGet ? 'GET' : method, toGet ? undefined : body, init, count + 1);
}

function send(request, url, method, body, init) {
  const { request: open } = url.protocol === 'https:' ? require('node:https') : require('node:http');
  const headers = Object.fromEntries(request.headers);
  if (body !== undefined) headers['content-length'] = String(body.length);
  headers['accept'] ??= '*/*';
  return new Promise((resolve, reject) => {
    const outgoing = open(url, { method, headers, signal: request.signal, ...init?.tls }, resolve);
    outgoing.once('error', (cause) => {
      reject(
        request.signal.aborted
          ? request.signal.reason
          : Object.assign(new TypeError('fetch failed', { cause }), { code: cause.code }),
      );
    });
    outgoing.end(body);
  });
}

function toResponse(incoming, url, redirected) {
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2)
    headers.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
  const body = NULL_BODY.has(incoming.statusCode) ? null : Readable.toWeb(incoming);
  if (body === null) incoming.resume();
  const response = new Response(body, { status: incoming.statusCode, statusText: incoming.statusMessage, headers });
  Object.defineProperties(response, { url: { value: url.href }, redirected: { value: redirected } });
  return response;
}

module.exports = { fetchByHttp };
