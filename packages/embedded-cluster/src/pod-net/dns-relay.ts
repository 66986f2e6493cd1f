/** Passes a query on to another name server, as it came, and gives back the answer. Over TCP, since the Service proxy carries TCP only. */
import { connect } from 'node:net';
import type { Upstream } from './forward-zones.ts';

const TIMEOUT_MS = 2_000;
const LENGTH_BYTES = 2;

/** The first that answers, beginning with the one whose turn it is. @throws Error of the last one, when none does */
export async function relay(message: Uint8Array, upstreams: readonly Upstream[], turn: number): Promise<Buffer> {
  let failure: unknown = new Error('no name server to ask');
  for (let index = 0; index < upstreams.length; index += 1) {
    const upstream = upstreams[(turn + index) % upstreams.length];
    if (upstream === undefined) continue;
    try {
      return await ask(message, upstream);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function ask(message: Uint8Array, { address, port }: Upstream): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect({ host: address, port, noDelay: true });
  const where = `name server ${address}:${port}`;
  let received = Buffer.alloc(0);
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${where} does not answer`)));
  socket.on('error', reject);
  socket.on('close', () => reject(new Error(`${where} closed the connection`)));
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < LENGTH_BYTES) return;
    const length = received.readUInt16BE(0);
    if (received.length < LENGTH_BYTES + length) return;
    resolve(received.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
    socket.destroy();
  });
  const framed = Buffer.alloc(LENGTH_BYTES + message.length);
  framed.writeUInt16BE(message.length);
  framed.set(message, LENGTH_BYTES);
  socket.write(framed);
  return promise;
}
