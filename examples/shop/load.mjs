/**
 * `load`: a customer that never sleeps. Sends RATE requests a second to each of TARGETS (`name=url`, comma-separated), never more
 * than CONCURRENCY at once per target, and writes one JSON line per request to standard output:
 *
 *   {"target":"home","seq":12,"at":1763…,"ms":3.1,"status":200,"cluster":"west","pod":"catalog-…","caller":{…}}
 *
 * `status` is 0 and `error` says why when there was no answer. `cluster` and `pod` are of the catalog that answered.
 */
import { performance } from 'node:perf_hooks';
import { getJson } from './serve.mjs';

export function load(env) {
  const targets = (env.TARGETS ?? '').split(',').filter((item) => item.includes('='));
  if (targets.length === 0) {
    process.stderr.write('load: set TARGETS, such as home=http://web/\n');
    process.exit(64);
  }
  const rate = Math.min(Math.max(Number(env.RATE ?? 20), 0.1), 1000);
  const concurrency = Number(env.CONCURRENCY ?? 64);
  const timeoutMs = Number(env.TIMEOUT_MS ?? 10_000);
  for (const item of targets) {
    const equals = item.indexOf('=');
    start(item.slice(0, equals), item.slice(equals + 1), { rate, concurrency, timeoutMs });
  }
  process.once('SIGTERM', () => process.exit(0));
}

/** An open loop: requests start on time whether or not earlier ones are done, so that slowness is seen and not hidden. */
function start(target, url, { rate, concurrency, timeoutMs }) {
  let seq = 0;
  let inFlight = 0;
  const startedAt = performance.now();
  const tick = () => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * rate) + 1;
    while (seq < due) {
      seq += 1;
      if (inFlight >= concurrency) {
        report({ target, seq, at: Date.now(), ms: 0, status: 0, error: `more than ${concurrency} requests in flight` });
        continue;
      }
      inFlight += 1;
      void send(target, url, seq, timeoutMs).finally(() => (inFlight -= 1));
    }
    setTimeout(tick, Math.max(1, (1000 / rate) * seq - (performance.now() - startedAt)));
  };
  tick();
}

async function send(target, url, seq, timeoutMs) {
  const at = Date.now();
  const startedAt = performance.now();
  const record = { target, seq, at };
  try {
    const { status, body } = await getJson(url, timeoutMs);
    const source = body?.stock ?? body ?? {};
    const where = { cluster: source.cluster, pod: source.pod, caller: source.caller };
    report({ ...record, ms: elapsed(startedAt), status, ...where, ...(status === 200 ? {} : { error: body?.error }) });
  } catch (error) {
    report({ ...record, ms: elapsed(startedAt), status: 0, error: error.message });
  }
}

function elapsed(startedAt) {
  return Math.round((performance.now() - startedAt) * 100) / 100;
}

function report(record) {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}
