/**
 * The shim for Bun: its handles are closed to programs, so this works on the public objects of
 * `node:net`, `node:http` and `node:tls`, and on `Bun.serve`.
 */
'use strict';

const dns = require('node:dns');
const fs = require('node:fs');
const net = require('node:net');
const { writeSync } = fs;
const { announce, openInbound, passBy, takePreambles } = require('./interception.cjs');

const kClosers = Symbol('what to close with the listener');
const kPlain = Symbol('a listener of the shim itself');

function install(rules) {
  installConnect(rules);
  installListen(rules);
  installHttpServers(rules);
  installFetch();
}

function installConnect(rules) {
  const connect = Reflect.get(net.Socket.prototype, 'connect');
  net.Socket.prototype.connect = function (...args) {
    const [options, listener] = normalizeConnect(args);
    if (options === undefined || options.path || options.fd !== undefined || options.socket)
      return connect.apply(this, args);
    const host = options.host || 'localhost';
    const port = Number(options.port);
    const changed = { ...options };
    const apply = (address) => {
      const target = rules.connect(address, port);
      if (target.preamble !== undefined) sendFirst(this, target.preamble, address, port);
      return target;
    };
    if (net.isIP(host) !== 0 || host === 'localhost') {
      const target = apply(host === 'localhost' ? '127.0.0.1' : host);
      Object.assign(changed, { host: target.address, port: target.port });
      if (target.source !== undefined) changed.localAddress ??= target.source;
    } else {
      // The port is needed before the address: it depends only on whether the connection is redirected.
      const guess = rules.connect('127.255.255.254', port);
      changed.port = guess.port;
      changed.localAddress ??= guess.source;
      changed.lookup = lookupThen(options.lookup ?? dns.lookup, apply);
    }
    return listener === undefined ? connect.call(this, changed) : connect.call(this, changed, listener);
  };

  if (rules.pod.exempt || rules.pod.redirect === undefined) return;
  const tls = require('node:tls');
  const tlsConnect = tls.connect;
  tls.connect = function (...args) {
    const [options, listener] = normalizeConnect(args);
    if (options === undefined || options.socket || options.path) return tlsConnect.apply(this, args);
    // Nothing may precede the handshake but the preamble, so the connection must exist before it.
    const socket = net.connect({ host: options.host, port: options.port, lookup: options.lookup });
    const named = { servername: net.isIP(options.host ?? '') ? '' : options.host, ...options, socket };
    return listener === undefined ? tlsConnect(named) : tlsConnect(named, listener);
  };
}

function normalizeConnect(args) {
  const flat = Array.isArray(args[0]) ? args[0] : args;
  const listener = typeof flat.at(-1) === 'function' ? flat.at(-1) : undefined;
  const [first, second, third] = flat;
  if (typeof first === 'object' && first !== null) return [first, listener];
  if (typeof first === 'number' || (typeof first === 'string' && /^\d+$/.test(first))) {
    const host = typeof second === 'string' ? second : undefined;
    const more = [second, third].find((each) => typeof each === 'object' && each !== null);
    return [{ ...more, port: Number(first), ...(host === undefined ? {} : { host }) }, listener];
  }
  return [undefined, listener];
}

function lookupThen(lookup, apply) {
  return (name, options, callback) => {
    lookup(name, { ...options, all: false, family: 4 }, (error, address) => {
      if (error) return callback(error);
      const target = apply(address);
      if (options?.all) callback(null, [{ address: target.address, family: 4 }]);
      else callback(null, target.address, 4);
    });
  };
}

function sendFirst(socket, preamble, address, port) {
  socket.prependOnceListener('connect', () => {
    try {
      writeSync(socket._handle.fd, preamble);
    } catch (error) {
      socket.destroy(error);
      return;
    }
    Object.defineProperties(socket, {
      remoteAddress: { value: address, configurable: true },
      remotePort: { value: port, configurable: true },
    });
  });
}

function installListen(rules) {
  const listen = Reflect.get(net.Server.prototype, 'listen');
  net.Server.prototype.listen = function (...args) {
    const [options, listener] = normalizeListen(args);
    if (options === undefined || this[kPlain]) return listen.apply(this, args);
    const port = Number(options.port ?? 0);
    const plan = rules.bind(options.host, port);
    if (plan === undefined) return listen.apply(this, args);
    if (rules.isOutboundListener(port)) takePreambles(this);
    this.once('listening', () => afterListen(rules, this, plan, options));
    const { ipv6Only: _, ...rest } = options;
    const changed = { ...rest, host: plan.addresses[0], port: plan.port };
    return listener === undefined ? listen.call(this, changed) : listen.call(this, changed, listener);
  };
  const close = Reflect.get(net.Server.prototype, 'close');
  net.Server.prototype.close = function (...args) {
    for (const each of this[kClosers]?.splice(0) ?? []) each();
    return close.apply(this, args);
  };
}

function normalizeListen(args) {
  const listener = typeof args.at(-1) === 'function' ? args.at(-1) : undefined;
  const [first, second, third] = args;
  if (typeof first === 'object' && first !== null) {
    return [
      first.path === undefined && first.fd === undefined && first.port !== undefined ? first : undefined,
      listener,
    ];
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return [undefined, listener];
  const host = typeof second === 'string' ? second : undefined;
  const backlog = [second, third].find((each) => typeof each === 'number');
  return [{ port: typeof first === 'function' ? 0 : Number(first ?? 0), host, backlog }, listener];
}

function afterListen(rules, server, plan, options) {
  const at = server.address().port;
  const port = rules.unshift(at);
  server[kClosers] = [];
  for (const address of plan.addresses.slice(1)) {
    server[kClosers].push(addListener(server, address, at, options, (error) => server.emit('error', error)));
  }
  if (plan.announce) announce(rules, port);
  if (!rules.isInboundListener(port)) return;
  const take = (socket, program) =>
    rules.ignoresSource(socket.remoteAddress) ? passBy(socket, program) : server.emit('connection', socket);
  const open = (address, inbound, onFailure, program) =>
    addListener(server, address, inbound, options, onFailure, (socket) => take(socket, program));
  server[kClosers].push(openInbound(rules, open));
}

/** A further listener whose connections are the main server's. @returns a function that closes it */
function addListener(main, address, port, { backlog, reusePort }, onFailure, take) {
  const front = net.createServer({
    allowHalfOpen: main.allowHalfOpen === true,
    pauseOnConnect: main.pauseOnConnect === true,
  });
  front[kPlain] = true;
  front.on('connection', take ?? ((socket) => main.emit('connection', socket)));
  front.once('error', onFailure);
  front.listen({ host: address, port, backlog, reusePort });
  front.unref();
  return () => front.close();
}

/** Bun's HTTP servers, those of `node:http` too, are native: their second address is a relay. */
function installHttpServers(rules) {
  const serve = Bun.serve;
  Bun.serve = function (options) {
    if (options.unix) return serve.call(this, options);
    const plan = rules.bind(options.hostname ?? '', Number(options.port ?? 3000));
    if (plan === undefined) return serve.call(this, options);
    const server = serve.call(this, { ...options, hostname: plan.addresses[0], port: plan.port });
    relayTo(rules, plan, server.port, (close) => {
      const stop = server.stop.bind(server);
      server.stop = (...args) => (close(), stop(...args));
    });
    return server;
  };
}

function relayTo(rules, plan, port, onClose) {
  if (plan.announce) announce(rules, rules.unshift(port));
  for (const address of plan.addresses.slice(1)) {
    const relay = net.createServer({ allowHalfOpen: true }, (socket) => {
      const target = net.connect({ host: plan.addresses[0], port, allowHalfOpen: true });
      for (const [from, to] of [
        [socket, target],
        [target, socket],
      ])
        from.on('error', () => to.destroy());
      socket.pipe(target).pipe(socket);
    });
    relay[kPlain] = true;
    relay.on('error', () => undefined);
    relay.listen({ host: address, port });
    relay.unref();
    onClose(() => relay.close());
  }
}

/** Bun's own fetch opens its sockets in native code: go by `node:http`, which passes through here. */
function installFetch() {
  const native = globalThis.fetch;
  const fetch = (input, init) => require('./fetch-bun.cjs').fetchByHttp(native, input, init);
  globalThis.fetch = Object.assign(fetch, native);
}

module.exports = { install };
