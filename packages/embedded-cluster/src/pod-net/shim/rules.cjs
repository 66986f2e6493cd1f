/**
 * Decides, for one pod, where a bind or a connect really goes. Pure; the socket files apply it.
 *
 *   program says            | pod without redirect | redirected pod            | redirected, proxy user
 *   bind 127.0.0.1:p        | private:p            | private:p                 | private:p
 *   bind 0.0.0.0:p, ::      | podIP:p + private:p  | private:p, announced      | podIP:p + private:p
 *   connect 127.0.0.1:p     | private:p            | private:p                 | private:p
 *   connect podIP:p         | podIP:p              | private:p                 | private:p
 *   connect elsewhere:p     | elsewhere:p          | private:outbound+preamble | elsewhere:p
 *
 * "private" is the loopback interface of the pod: an address that only its own processes use.
 */
'use strict';

const LOOPBACK = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1', 'localhost', '0.0.0.0', '::']);
const WILDCARD = new Set(['0.0.0.0', '::', '']);

/**
 * The preamble is a PROXY protocol version 2 header (HAProxy's specification): a fixed signature, then
 * the source and the original destination of the connection.
 */
const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const HEADER_BYTES = 16;

function createRules(pod) {
  const redirect = pod.redirect;
  const intercepted = redirect !== undefined && !pod.exempt;
  const offset = pod.privilegedOffset ?? 0;
  const sourcesIgnore = (redirect?.sourcesIgnore ?? []).map(parseNetwork);

  /** Ports below 1024 of cluster addresses, where this user may not bind them. */
  const shift = (address, port) => (offset > 0 && port > 0 && port < 1024 && isLocal(address) ? port + offset : port);
  const unshift = (port) => (offset > 0 && port > offset && port < offset + 1024 ? port - offset : port);

  return {
    pod,
    unshift,
    shift,
    /** @returns undefined to leave the bind alone, or the addresses to listen on, the first being the main one. */
    bind(address, port) {
      const host = address ?? '';
      if (WILDCARD.has(host) || host === pod.ip) {
        if (intercepted && !inRanges(redirect.inboundIgnore, port)) {
          return { addresses: [pod.loopback], port: shift(pod.loopback, port), announce: true };
        }
        const addresses = host === pod.ip ? [pod.ip] : [pod.ip, pod.loopback];
        return { addresses, port: shift(pod.ip, port), announce: false };
      }
      if (LOOPBACK.has(host)) {
        return { addresses: [pod.loopback], port: shift(pod.loopback, port), announce: false };
      }
      return undefined;
    },
    /** @returns where to connect; `source` is the local address to bind, `preamble` goes out first. */
    connect(address, port) {
      if (LOOPBACK.has(address)) return { address: pod.loopback, port: shift(pod.loopback, port) };
      if (redirect !== undefined && address === pod.ip) {
        return { address: pod.loopback, port: shift(pod.loopback, port), source: pod.ip };
      }
      if (intercepted && !inRanges(redirect.outboundIgnore, port)) {
        const preamble = encodePreamble(pod.ip, address, port);
        return { address: pod.loopback, port: redirect.outboundPort, source: pod.ip, preamble };
      }
      // Only loopback addresses can be reached from a loopback source.
      return isLocal(address)
        ? { address, port: shift(address, port), source: pod.ip }
        : { address, port, source: undefined };
    },
    /** True for the listener of the proxy that receives what programs of this pod send. */
    isOutboundListener: (port) => pod.exempt === true && redirect !== undefined && port === redirect.outboundPort,
    isInboundListener: (port) => pod.exempt === true && redirect !== undefined && port === redirect.inboundPort,
    /** True for a client whose connections go to the program and not to the proxy. */
    ignoresSource: (address) => {
      const plain = (address ?? '').replace(/^::ffff:/, '');
      return plain.includes('.') && sourcesIgnore.some(({ bits, mask }) => (toNumber(plain) & mask) >>> 0 === bits);
    },
    mayIntercept: (port) =>
      port !== redirect.inboundPort && port !== redirect.outboundPort && !inRanges(redirect.inboundIgnore, port),
  };
}

/** `10.0.0.0/8`; a shift by 32 would be one by 0. */
function parseNetwork(text) {
  const [address, length] = text.split('/');
  const mask = Number(length) === 0 ? 0 : (0xffff_ffff << (32 - Number(length))) >>> 0;
  return { bits: (toNumber(address) & mask) >>> 0, mask };
}

function toNumber(address) {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function isLocal(address) {
  return address.startsWith('127.');
}

function inRanges(ranges, port) {
  for (const [from, to] of ranges ?? []) if (port >= from && port <= to) return true;
  return false;
}

function encodePreamble(source, address, port) {
  const six = address.includes(':');
  const width = six ? 16 : 4;
  const bytes = Buffer.alloc(HEADER_BYTES + 2 * width + 4);
  SIGNATURE.copy(bytes);
  bytes[12] = 0x21;
  bytes[13] = six ? 0x21 : 0x11;
  bytes.writeUInt16BE(2 * width + 4, 14);
  if (!six) writeV4(bytes, HEADER_BYTES, source);
  if (six) writeV6(bytes, HEADER_BYTES + width, address);
  else writeV4(bytes, HEADER_BYTES + width, address);
  bytes.writeUInt16BE(port, HEADER_BYTES + 2 * width + 2);
  return bytes;
}

function writeV4(bytes, at, address) {
  const parts = address.split('.');
  for (let i = 0; i < 4; i += 1) bytes[at + i] = Number(parts[i]);
}

function writeV6(bytes, at, address) {
  const host = address.split('%')[0].replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) => {
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head, tail] = host.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
  groups.forEach((group, index) => bytes.writeUInt16BE(Number.parseInt(group, 16), at + 2 * index));
}

/** @returns how many bytes the whole preamble has, or -1 when `header` does not begin one. */
function preambleLength(header) {
  if (header.compare(SIGNATURE, 0, 12, 0, 12) !== 0 || header[12] !== 0x21) return -1;
  const length = header.readUInt16BE(14);
  if ((header[13] === 0x11 && length === 12) || (header[13] === 0x21 && length === 36)) return HEADER_BYTES + length;
  return -1;
}

/** @returns the original destination that a complete preamble names. */
function decodeDestination(bytes) {
  if (bytes[13] === 0x11) {
    return { address: bytes.subarray(20, 24).join('.'), port: bytes.readUInt16BE(26), family: 'IPv4' };
  }
  const groups = [];
  for (let i = 0; i < 8; i += 1) groups.push(bytes.readUInt16BE(32 + 2 * i).toString(16));
  // The WHATWG host parser writes the canonical short form (RFC 5952).
  const address = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
  return { address, port: bytes.readUInt16BE(50), family: 'IPv6' };
}

module.exports = { createRules, preambleLength, decodeDestination, HEADER_BYTES, WILDCARD };
