/**
 * The shim for Node.js: works on TCP and UDP handles, below `node:net`, after name resolution. So
 * everything that opens a socket (net, tls, http, https, http2, fetch) passes here, once per
 * connection and never per byte.
 */
'use strict';

const fs = require('node:fs');
const net = require('node:net');
const { writeSync } = fs;
const { announce, openInbound, passBy, takePreambles } = require('./interception.cjs');
const { WILDCARD } = require('./rules.cjs');

const kPlan = Symbol('bind plan');
const kAsked = Symbol('address that the program asked for');
const kPeer = Symbol('address that the program connected to');
const kClosers = Symbol('what to close with the listener');
const IPV6_ONLY = 1;
const RESET = -104; // ECONNRESET

function install(rules) {
  const { TCP, constants } = process.binding('tcp_wrap');
  const native = {
    ...pick(TCP.prototype, ['bind', 'bind6', 'connect', 'connect6', 'listen', 'getsockname', 'getpeername']),
  };

  function bind(handle, address, port, flags, fallback) {
    const plan = rules.bind(address, port);
    handle[kPlan] = plan ?? true;
    if (plan === undefined) return fallback.call(handle, address, port, flags);
    plan.flags = flags & ~IPV6_ONLY;
    if (WILDCARD.has(address)) handle[kAsked] = address;
    return native.bind.call(handle, plan.addresses[0], plan.port, plan.flags);
  }
  TCP.prototype.bind = function (address, port, flags) {
    return bind(this, address, port, flags ?? 0, native.bind);
  };
  TCP.prototype.bind6 = function (address, port, flags) {
    return bind(this, address, port, flags ?? 0, native.bind6);
  };

  function connect(handle, req, address, port, six) {
    const target = rules.connect(address, port);
    if (target.source !== undefined && handle[kPlan] === undefined) native.bind.call(handle, target.source, 0, 0);
    if (target.preamble !== undefined) sendFirst(handle, req, target.preamble);
    if (target.address === address && target.port === port) {
      return (six ? native.connect6 : native.connect).call(handle, req, address, port);
    }
    handle[kPeer] = { address, port, family: six ? 'IPv6' : 'IPv4' };
    return native.connect.call(handle, req, target.address, target.port);
  }
  TCP.prototype.connect = function (req, address, port) {
    return connect(this, req, address, port, false);
  };
  TCP.prototype.connect6 = function (req, address, port) {
    return connect(this, req, address, port, true);
  };

  TCP.prototype.listen = function (backlog) {
    const plan = this[kPlan];
    const error = native.listen.call(this, backlog);
    if (error !== 0 || plan === undefined || plan === true) return error;
    const bound = {};
    native.getsockname.call(this, bound);
    for (const address of plan.addresses.slice(1)) {
      const failed = addListener(this, address, bound.port, plan.flags, backlog);
      if (failed !== 0 && plan.port !== 0) return failed;
    }
    const port = rules.unshift(bound.port);
    if (plan.announce) announce(rules, port);
    if (rules.isInboundListener(port)) {
      const close = openInbound(rules, (address, at, onFailure, program) => {
        if (addListener(this, address, at, 0, backlog, program) !== 0) onFailure();
      });
      closersOf(this).push(close);
    }
    return 0;
  };

  /** A further handle whose connections are the main handle's: same server, same events. */
  function addListener(main, address, port, flags, backlog, program) {
    const handle = new TCP(constants.SERVER);
    handle.onconnection = (status, client) => {
      const peer = {};
      if (
        program === undefined ||
        status !== 0 ||
        native.getpeername.call(client, peer) !== 0 ||
        !rules.ignoresSource(peer.address)
      )
        return main.onconnection.call(main, status, client);
      passBy(new net.Socket({ handle: client, allowHalfOpen: true, readable: true, writable: true }), program);
    };
    const error = native.bind.call(handle, address, port, flags) || native.listen.call(handle, backlog);
    if (error !== 0) {
      handle.close();
      return error;
    }
    handle.unref();
    closersOf(main).push(() => handle.close());
    return 0;
  }

  TCP.prototype.getsockname = function (out) {
    const error = native.getsockname.call(this, out);
    if (error !== 0) return error;
    const asked = this[kAsked];
    if (asked !== undefined) {
      out.address = asked;
      out.family = asked.includes(':') ? 'IPv6' : 'IPv4';
    }
    out.port = rules.unshift(out.port);
    return 0;
  };
  TCP.prototype.getpeername = function (out) {
    const error = native.getpeername.call(this, out);
    if (error === 0 && this[kPeer] !== undefined) Object.assign(out, this[kPeer]);
    return error;
  };

  interceptOutbound(rules);
  installUdp(rules);
}

function sendFirst(handle, req, preamble) {
  const complete = req.oncomplete;
  req.oncomplete = function (status, ...rest) {
    let result = status;
    if (status === 0) {
      try {
        // The connection is new and its buffer empty: these few bytes are always taken at once.
        writeSync(handle.fd, preamble);
      } catch {
        result = RESET;
      }
    }
    return complete.call(this, result, ...rest);
  };
}

function closersOf(handle) {
  if (handle[kClosers] === undefined) {
    const closers = [];
    const close = handle.close;
    handle[kClosers] = closers;
    handle.close = function (...args) {
      for (const each of closers.splice(0)) each();
      return close.apply(this, args);
    };
  }
  return handle[kClosers];
}

/** Only the pod's proxy has such a listener: its connections begin with a preamble. */
function interceptOutbound(rules) {
  if (!rules.pod.exempt || rules.pod.redirect === undefined) return;
  const listen = Reflect.get(net.Server.prototype, 'listen');
  net.Server.prototype.listen = function (...args) {
    const first = args[0];
    const port = Number(typeof first === 'object' && first !== null ? first.port : first);
    if (rules.isOutboundListener(port)) takePreambles(this);
    return listen.apply(this, args);
  };
}

function installUdp(rules) {
  const { UDP } = process.binding('udp_wrap');
  const native = pick(UDP.prototype, ['bind', 'bind6', 'send', 'send6', 'connect', 'connect6']);
  const local = (address) => {
    const target = rules.connect(address, 0);
    return target.preamble === undefined ? target.address : address;
  };
  const bind = (fallback) =>
    function (address, port, flags) {
      const plan = rules.bind(address, port);
      this[kPlan] = true;
      if (plan === undefined) return fallback.call(this, address, port, flags);
      // Datagrams are never redirected, so a wildcard means the pod's own address.
      const at = WILDCARD.has(address) ? rules.pod.ip : plan.addresses[0];
      return native.bind.call(this, at, plan.port, (flags ?? 0) & ~IPV6_ONLY);
    };
  UDP.prototype.bind = bind(native.bind);
  UDP.prototype.bind6 = bind(native.bind6);
  UDP.prototype.send = function (...args) {
    if (typeof args[4] === 'string') args[4] = local(args[4]);
    return native.send.apply(this, args);
  };
  UDP.prototype.connect = function (address, port) {
    return native.connect.call(this, local(address), port);
  };
}

function pick(source, names) {
  return Object.fromEntries(names.map((name) => [name, source[name]]));
}

module.exports = { install };
