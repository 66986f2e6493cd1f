/**
 * Name resolution as inside a pod: the cluster's DNS server, the pod's search domains, and the pod's
 * name as host name.
 */
'use strict';

const dns = require('node:dns');
const os = require('node:os');
const { isIP } = require('node:net');

const TIMEOUT_MS = 2000;
const TRIES = 3;
const ABSENT = new Set(['ENOTFOUND', 'ENODATA']);

function install({ pod }) {
  const servers = [`${pod.dns.address}:${pod.dns.port}`];
  const NativeResolver = dns.promises.Resolver;
  const createResolver = () => {
    const resolver = new NativeResolver({ timeout: TIMEOUT_MS, tries: TRIES });
    resolver.setServers(servers);
    return resolver;
  };
  let shared;
  const resolver = () => (shared ??= createResolver());

  os.hostname = () => pod.hostname;
  dns.setServers(servers);
  replaceResolver(dns, servers);
  replaceResolver(dns.promises, servers);

  const resolve = (name, options) => lookup(pod, resolver(), name, options);
  dns.lookup = (name, options, callback) => {
    const done = typeof options === 'function' ? options : callback;
    if (typeof done !== 'function') throw new TypeError('dns.lookup needs a callback');
    const wanted = normalize(typeof options === 'function' ? undefined : options);
    resolve(name, wanted).then(
      (found) => {
        if (wanted.all) process.nextTick(done, null, found);
        else process.nextTick(done, null, found[0].address, found[0].family);
      },
      (error) => process.nextTick(done, error),
    );
  };
  dns.promises.lookup = async (name, options) => {
    const wanted = normalize(options);
    const found = await resolve(name, wanted);
    return wanted.all ? found : found[0];
  };
}

/** Resolvers made by the program ask the cluster too, until told otherwise. */
function replaceResolver(module, servers) {
  const Native = module.Resolver;
  module.Resolver = class Resolver extends Native {
    constructor(options) {
      super(options);
      this.setServers(servers);
    }
  };
}

function normalize(options) {
  if (options === undefined || options === null) return { family: 0, all: false };
  if (typeof options === 'number') return { family: options, all: false };
  const family = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0);
  return { family, all: options.all === true };
}

async function lookup(pod, resolver, name, { family }) {
  if (name === '' || name === undefined || name === null) return [{ address: '127.0.0.1', family: 4 }];
  const literal = isIP(name);
  if (literal !== 0) return [{ address: name, family: literal }];
  const plain = name.toLowerCase();
  if (plain === 'localhost' || plain.endsWith('.localhost')) return [{ address: '127.0.0.1', family: 4 }];
  if (plain === pod.hostname) return [{ address: pod.ip, family: 4 }];
  let failure;
  for (const candidate of candidates(pod, name)) {
    try {
      const found = await ask(resolver, candidate, family);
      if (found.length > 0) return found;
    } catch (error) {
      if (!ABSENT.has(error.code)) failure = error;
    }
  }
  throw lookupError(name, failure);
}

async function ask(resolver, name, family) {
  if (family === 6) return (await resolver.resolve6(name)).map((address) => ({ address, family: 6 }));
  return (await resolver.resolve4(name)).map((address) => ({ address, family: 4 }));
}

/** The names to ask for, in the order of resolv.conf(5) with `search` and `ndots`. */
function candidates(pod, name) {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = pod.searches.map((domain) => `${name}.${domain}`);
  return name.split('.').length - 1 >= pod.ndots ? [name, ...searched] : [...searched, name];
}

function lookupError(name, cause) {
  const code = cause === undefined ? 'ENOTFOUND' : 'EAI_AGAIN';
  const error = new Error(`getaddrinfo ${code} ${name}`);
  return Object.assign(error, {
    code,
    errno: code === 'ENOTFOUND' ? -3008 : -3001,
    syscall: 'getaddrinfo',
    hostname: name,
  });
}

module.exports = { install };
