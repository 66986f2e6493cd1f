/**
 * The proxy's half of traffic redirection: takes the preamble off connections that the pod's programs
 * were redirected with, and keeps a listener on the pod's address for every port that they announced.
 */
'use strict';

const fs = require('node:fs');
const net = require('node:net');
const { watch, readdirSync } = fs;
const { HEADER_BYTES, decodeDestination, preambleLength } = require('./rules.cjs');

const PREAMBLE_TIMEOUT_MS = 10_000;
const RETRY_MS = 25;

/** Makes 'connection' of `server` wait for the preamble, which then is the socket's local address. */
function takePreambles(server) {
  const emit = server.emit;
  server.emit = function emitAfterPreamble(event, socket) {
    if (event !== 'connection') return Reflect.apply(emit, this, arguments);
    readPreamble(socket, (destination) => {
      pretendLocal(socket, destination);
      Reflect.apply(emit, this, ['connection', socket]);
    });
    return true;
  };
}

function readPreamble(socket, done) {
  let length = -1;
  const timer = setTimeout(() => socket.destroy(), PREAMBLE_TIMEOUT_MS);
  const onGone = () => clearTimeout(timer);
  const onReadable = () => {
    if (length === -1) {
      const header = socket.read(HEADER_BYTES);
      if (header === null) return;
      length = preambleLength(header);
      if (length === -1) return void socket.destroy();
      socket.embeddedHeader = header;
    }
    const rest = socket.read(length - HEADER_BYTES);
    if (rest === null) return;
    const header = socket.embeddedHeader;
    socket.embeddedHeader = undefined;
    clearTimeout(timer);
    socket.removeListener('readable', onReadable);
    // Streams look a tick after the last 'readable' listener has gone whether someone wants data, and then resume even a
    // socket that was paused meanwhile: its owner must come later.
    process.nextTick(() => {
      socket.removeListener('close', onGone);
      socket.removeListener('error', onGone);
      if (!socket.destroyed) done(decodeDestination(Buffer.concat([header, rest])));
    });
  };
  socket.on('close', onGone);
  socket.on('error', onGone);
  socket.on('readable', onReadable);
}

/** What a transparent proxy socket shows: the original destination is the local address. */
function pretendLocal(socket, { address, port, family }) {
  const value = (v) => ({ value: v, configurable: true, enumerable: true });
  Object.defineProperties(socket, {
    localAddress: value(address),
    localPort: value(port),
    localFamily: value(family),
  });
  socket.address = () => ({ address, port, family });
}

/**
 * Joins a client that the redirect leaves alone with the program, which sees the client's own address. Unlike with iptables this ends
 * with the proxy's process, whose listener it is.
 */
function passBy(socket, port) {
  const target = net.connect({ host: '127.0.0.1', port, localAddress: socket.remoteAddress, allowHalfOpen: true });
  socket.on('error', () => target.destroy());
  target.on('error', () => socket.destroy());
  socket.pipe(target).pipe(socket);
}

/**
 * Opens a listener on the pod's address for each announced port, now and when more are announced.
 *
 * @param open `(address, port, onFailure, program) => close`, feeding the proxy's inbound listener; `program` is the port that was announced
 * @returns a function that closes them all
 */
function openInbound(rules, open) {
  const { pod } = rules;
  const listeners = new Map();
  let closed = false;
  const add = (port) => {
    if (closed || listeners.has(port) || !rules.mayIntercept(port)) return;
    // A port may still be held by a proxy that is going away: try again until it is free.
    const retry = () => {
      listeners.delete(port);
      setTimeout(() => add(port), RETRY_MS).unref();
    };
    listeners.set(port, open(pod.ip, rules.shift(pod.ip, port), retry, port));
  };
  const scan = () => {
    for (const name of list(pod.announceFolder)) add(Number(name));
  };
  for (const port of pod.ports ?? []) add(port);
  let watcher;
  try {
    watcher = watch(pod.announceFolder, { persistent: false }, scan);
    watcher.on('error', () => undefined);
  } catch {
    // The pod's folder is gone: the pod is being removed.
  }
  scan();
  return () => {
    closed = true;
    watcher?.close();
    for (const close of listeners.values()) close?.();
    listeners.clear();
  };
}

function list(folder) {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** Tells the pod's proxy that a program listens on `port`. */
function announce(rules, port) {
  try {
    fs.writeFileSync(`${rules.pod.announceFolder}/${port}`, '');
  } catch {
    // The pod's folder is gone: the pod is being removed.
  }
}

module.exports = { takePreambles, openInbound, passBy, announce };
