/** Programs that know nothing of a mesh, as workloads: written in C, in Go and in JavaScript, clients and servers. */
import type { Workload } from './workloads.ts';
import { imageOf, SHOP_IMAGE } from './images.ts';

/** Node, in the shop's image. */
export const NODE = '/usr/bin/node';

type Place = Pick<Workload, 'namespace'> & Partial<Workload>;

/** Somebody to call from, with curl. */
export function curl(place: Place): Workload {
  return { name: 'curl', image: imageOf('curl'), command: ['sleep', '86400'], ...place };
}

/** Somebody to call from, with Node at {@link NODE}. */
export function node(place: Place): Workload {
  return { name: 'node', image: SHOP_IMAGE, command: [NODE, '-e', 'setInterval(() => 0, 60_000)'], ...place };
}

/** C. Answers HTTP on 8080 with the identity of its client, as the sidecar names it. */
export function nginx(place: Place): Workload {
  const config = `
    pid /tmp/nginx.pid;
    events {}
    http {
      access_log off;
      client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
      server { listen 8080; location / { return 200 "client=$http_l5d_client_id\\n"; } }
    }`;
  return {
    name: 'nginx',
    image: imageOf('nginx'),
    command: ['nginx', '-e', '/dev/stderr', '-c', '/etc/e2e/nginx.conf', '-g', 'daemon off;'],
    ports: { http: 8080 },
    files: { 'nginx.conf': config },
    ...place,
  };
}

/** Go, and on every cluster already. Answers HTTP on 8080 and DNS over TCP on 53. */
export function coredns(image: string, place: Place): Workload {
  const config = '.:5300 {\n  health :8080\n  hosts {\n    192.0.2.7 mesh.example\n  }\n}\n';
  return {
    name: 'coredns',
    image,
    args: ['-conf', '/etc/e2e/Corefile'],
    ports: { http: 8080, 'tcp-dns': 5300 },
    files: { Corefile: config },
    ...place,
  };
}

/** C. A protocol that is not HTTP, on a port that is opaque by default. */
export function redis(place: Place): Workload {
  return {
    name: 'redis',
    image: imageOf('redis'),
    command: ['redis-server', '--protected-mode', 'no', '--save', '', '--dir', '/tmp'],
    ports: { redis: 6379 },
    ...place,
  };
}

/** Greets whoever connects, as mail and database servers do, and says nothing else until it was told a line. */
export function greeter(place: Place): Workload {
  const program = `
    require('node:net').createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('220 ready\\r\\n');
      socket.on('data', (line) => socket.end('221 ' + line.toString().trim() + '\\r\\n'));
    }).listen(2525);`;
  return {
    name: 'greeter',
    image: SHOP_IMAGE,
    command: [NODE, '-e', program],
    ports: { greeting: 2525 },
    ...place,
  };
}

/** Go, as client and as server. Scrapes the targets every second. */
export function prometheus(targets: readonly string[], place: Place): Workload {
  const config = {
    global: { scrape_interval: '1s' },
    scrape_configs: [{ job_name: 'linkerd-proxy', static_configs: [{ targets }] }],
  };
  return {
    name: 'prometheus',
    image: imageOf('prometheus'),
    command: ['prometheus', '--config.file=/etc/e2e/prometheus.yml', '--storage.tsdb.path=/tmp/data'],
    ports: { http: 9090 },
    // JSON is YAML.
    files: { 'prometheus.yml': JSON.stringify(config) },
    container: { readinessProbe: { httpGet: { path: '/-/ready', port: 9090 }, periodSeconds: 1 } },
    ...place,
  };
}
