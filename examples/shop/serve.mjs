/** What all services of the shop share: a JSON server that stops cleanly, and a client that reports failures. */
import http from 'node:http';

/**
 * Starts a JSON server on PORT (8080). `routes` maps a path to `(request, url) => value | Promise<value>`; a thrown error with a
 * `status` becomes that status, any other 500.
 */
export function serve(name, env, routes) {
  const port = Number(env.PORT ?? 8080);
  const whoami = { service: name, cluster: env.CLUSTER ?? 'unknown', pod: env.POD ?? 'unknown' };
  const handle = async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://shop');
    const route = url.pathname === '/healthz' ? () => ({ ok: true }) : routes[url.pathname];
    try {
      if (route === undefined) throw Object.assign(new Error(`no such path: ${url.pathname}`), { status: 404 });
      answer(response, 200, { ...whoami, caller: callerOf(request), ...(await route(request, url)) });
    } catch (error) {
      answer(response, error.status ?? 500, { ...whoami, error: error.message });
    }
  };
  const server = http.createServer((request, response) => void handle(request, response));
  server.keepAliveTimeout = 60_000;
  server.listen(port, () => process.stdout.write(`${name}: listening on ${port}\n`));
  process.once('SIGTERM', () => {
    // What is in flight may finish; idle connections are closed at once.
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 5000).unref();
  });
}

function answer(response, status, value) {
  const body = `${JSON.stringify(value)}\n`;
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** Who called, as far as whatever stands in front of us says so in a header. */
function callerOf(request) {
  const { forwarded, 'l5d-client-id': clientId } = request.headers;
  return { ...(clientId === undefined ? {} : { clientId }), ...(forwarded === undefined ? {} : { forwarded }) };
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

/** GETs JSON. Resolves with `{ status, body }`; rejects on connection errors and after `timeoutMs`. */
export function getJson(url, timeoutMs = 5000) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, timeout: timeoutMs }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, body: bodyOf(response, chunks) }));
    });
    request.on('timeout', () => request.destroy(new Error(`no answer from ${url} within ${timeoutMs} ms`)));
    request.on('error', reject);
  });
}

/** As {@link getJson}, but anything other than 200 is an error that becomes our own 502. */
export async function ask(url) {
  let answer;
  try {
    answer = await getJson(url);
  } catch (error) {
    throw Object.assign(new Error(`${url}: ${error.message}`), { status: 502 });
  }
  if (answer.status === 200) return answer.body;
  throw Object.assign(new Error(`${url} answered ${answer.status}: ${answer.body?.error ?? ''}`), { status: 502 });
}

/** The JSON of an answer; of one without, whatever explains it. */
function bodyOf(response, chunks) {
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    const headers = Object.entries(response.headers).map(([name, value]) => `${name}: ${value}`);
    return { error: `${text.slice(0, 200)} (${headers.join(', ')})`.trim() };
  }
}
