/**
 * `node load.mjs URL RATE SECONDS UNCOUNTED_SECONDS`: RATE requests a second with keep-alive, each sent when it is due whether or not
 * earlier ones are done. Writes one JSON line at the end:
 *
 *   {"sent":1100,"errors":0,"caller":"…","us":[812,…]}
 *
 * `us` has the time of each answer of the counted part, in microseconds, from sending the request until the end of its body; `sent` counts
 * all requests, also those of the uncounted seconds before; `caller` is who the server was told had called.
 */
import http from 'node:http';
import { performance } from 'node:perf_hooks';

const [url = '', ...numbers] = process.argv.slice(2);
const [rate, seconds, uncountedSeconds] = numbers.map(Number);
const agent = new http.Agent({ keepAlive: true, maxSockets: 16, scheduling: 'fifo' });
const TIMEOUT_MS = 5000;

const times = [];
let caller = '';
let errors = 0;
let sent = 0;
let open = 0;
const startedAt = performance.now();
const total = Math.round(rate * (seconds + uncountedSeconds));
const uncounted = Math.round(rate * uncountedSeconds);

function tick() {
  const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * rate) + 1);
  while (sent < due) send(sent++ >= uncounted);
  if (sent < total) setTimeout(tick, Math.max(1, (1000 / rate) * sent - (performance.now() - startedAt)));
}

function send(counted) {
  open += 1;
  const at = performance.now();
  const request = http.get(url, { agent, timeout: TIMEOUT_MS }, (response) => {
    response.resume();
    response.once('end', () => {
      if (counted) times.push(Math.round((performance.now() - at) * 1000));
      if (response.statusCode !== 200) errors += 1;
      caller = response.headers['x-caller'] ?? caller;
      done();
    });
  });
  request.once('timeout', () => request.destroy(new Error('timeout')));
  request.once('error', () => {
    errors += 1;
    done();
  });
}

function done() {
  open -= 1;
  if (open > 0 || sent < total) return;
  process.stdout.write(`${JSON.stringify({ sent, errors, caller, us: times })}\n`);
  agent.destroy();
}

tick();
