/**
 * What an HTTP/1.1 intermediary must and must not do, as bytes on both of its sides (RFC 9110, RFC 9112). Refusals come first: of a message that
 * two readers could understand in two ways nothing may reach the server.
 */

export interface RawCase {
  readonly name: string;
  /** What the client sends; several parts wait for what `after` matches in the answer. */
  readonly send: string | readonly { readonly after?: RegExp; readonly send: string }[];
  /** What the server answers, once `until` was received (an empty line). */
  readonly answer?: string;
  readonly until?: RegExp;
  readonly serverCloses?: boolean;
  /** The case is over when the client has this. */
  readonly client: RegExp;
  readonly clientNot?: RegExp;
  /** `null`: nothing may reach the server. */
  readonly server?: RegExp | null;
  readonly serverNot?: RegExp;
  /** The proxy must close the client's connection. */
  readonly closes?: boolean;
}

const refused = (name: string, send: string): RawCase => ({
  name: `refused: ${name}`,
  send,
  client: /^HTTP\/1\.1 4\d\d [^]*\r\n\r\n/,
  server: null,
  closes: true,
});
/** The same behind a good request: a connection that begins so would not be taken for HTTP, and pass as it is. */
const refusedLater = (name: string, send: string): RawCase => ({
  name: `refused: ${name}`,
  send: [{ send: 'GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n' }, { after: /ok$/, send }],
  client: /okHTTP\/1\.1 (?:4\d\d|505) [^]*\r\n\r\n/,
  serverNot: /\r\n\r\n./,
  closes: true,
});
const POST = 'POST / HTTP/1.1\r\nHost: a.test\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n';
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

const REFUSALS: readonly RawCase[] = [
  refused(
    'Content-Length and Transfer-Encoding',
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ),
  refused(
    'Transfer-Encoding and Content-Length',
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  ),
  refused('two different lengths', `${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`),
  refused('the same length twice', `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`),
  refused('a list of lengths', `${POST}Content-Length: 5, 5\r\n\r\nhello`),
  refused('a signed length', `${POST}Content-Length: +5\r\n\r\nhello`),
  refused('a negative length', `${POST}Content-Length: -5\r\n\r\nhello`),
  refused('a hexadecimal length', `${POST}Content-Length: 0x5\r\n\r\nhello`),
  refused('an empty length', `${POST}Content-Length:\r\n\r\nhello`),
  refused('a length of 30 digits', `${POST}Content-Length: 000000000000000000000000000005\r\n\r\nhello`),
  refused('another transfer coding', `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`),
  refused('identity as transfer coding', `${POST}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n`),
  refused('chunked twice', `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`),
  refused('two Transfer-Encoding', `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`),
  refused('chunked with a letter before it', `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`),
  refused('chunked behind a vertical tab', `${POST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n`),
  refused('chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  refused('a folded field', `${GET}X-Fold: a\r\n b\r\n\r\n`),
  refused('a folded Transfer-Encoding', `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`),
  refused('a bare LF after the request line', 'GET / HTTP/1.1\nHost: a.test\r\n\r\n'),
  refused('a bare LF after a field', `${GET}X: 1\n\r\n`),
  refused('a bare CR in a field', `${GET}X: 1\rY: 2\r\n\r\n`),
  refused('a bare CR between name and colon', `${GET}X\r: 1\r\n\r\n`),
  refused('a space before the colon', `${POST}Content-Length : 5\r\n\r\nhello`),
  refused('a tab before the colon', `${POST}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n`),
  refused('a line without colon', `${GET}nonsense\r\n\r\n`),
  refused('an empty field name', `${GET}: x\r\n\r\n`),
  refused('NUL in a value', `${GET}X: a\0b\r\n\r\n`),
  refused('a blank before the first field', 'GET / HTTP/1.1\r\n Host: a.test\r\n\r\n'),
  refused('no Host', 'GET / HTTP/1.1\r\nX: 1\r\n\r\n'),
  refused('two Hosts', `${GET}Host: b.test\r\n\r\n`),
  refused('Host with a path', 'GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n'),
  refused('Host with user information', 'GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n'),
  refused('an absolute target of another host', 'GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n'),
  refusedLater('a method with a bad byte', 'GE(T / HTTP/1.1\r\nHost: a.test\r\n\r\n'),
  refusedLater('a space in the target', 'GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n'),
  refused('a fragment in the target', 'GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n'),
  refusedLater('two spaces in the request line', 'GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n'),
  refusedLater('a tab in the request line', 'GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n'),
  refusedLater('a version in lower case', 'GET / http/1.1\r\nHost: a.test\r\n\r\n'),
  refusedLater('HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a.test\r\n\r\n'),
  refused(
    'Connection that names Content-Length',
    `${POST}Connection: content-length\r\nContent-Length: 5\r\n\r\nhello`,
  ),
  refused('Connection that names Host', `${GET}Connection: host\r\n\r\n`),
  refused('130 fields', `${GET}${'X: 1\r\n'.repeat(130)}\r\n`),
  refused('a head of 70 KB', `${GET}X: ${'a'.repeat(70_000)}\r\n\r\n`),
];

/** The head is on its way already: the body must not look complete to the server. */
const cut = (name: string, body: string): RawCase => ({
  name: `cut: ${name}`,
  send: CHUNKED + body,
  until: /never/,
  client: /^HTTP\/1\.1 400 [^]*\r\n\r\n|^$/,
  serverNot: /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n/,
  closes: true,
});

const BROKEN_BODIES: readonly RawCase[] = [
  cut('a chunk size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'),
  cut('a negative chunk size', '-5\r\nhello\r\n0\r\n\r\n'),
  cut('a blank before the end of the size', '5 \r\nhello\r\n0\r\n\r\n'),
  cut('an empty chunk size', '\r\nhello\r\n0\r\n\r\n'),
  cut('a chunk size of 17 digits', '00000000000000005\r\nhello\r\n0\r\n\r\n'),
  cut('a bare LF after the size', '5\nhello\r\n0\r\n\r\n'),
  cut('a bare LF in an extension', '5;a\nb\r\nhello\r\n0\r\n\r\n'),
  cut('a bare CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'),
  cut('data longer than its size', '5\r\nhello!\r\n0\r\n\r\n'),
  cut('data that ends in LF', '5\r\nhello\n0\r\n\r\n'),
  cut('a trailer that frames', '5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n'),
  cut('a trailer that routes', '5\r\nhello\r\n0\r\nHost: b.test\r\n\r\n'),
  cut('a folded trailer', '5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n'),
];

const PASSED_ON: readonly RawCase[] = [
  {
    name: 'hop-by-hop fields and those that Connection names stay behind',
    send: `${GET}Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\nX-Stays: 2\r\n\r\n`,
    client: /^HTTP\/1\.1 200 [^]*ok$/,
    server: /x-stays: 2\r\n/i,
    serverNot: /^(?:connection|x-hop|keep-alive|te|proxy-connection):/im,
  },
  {
    name: 'hop-by-hop fields of a response stay behind',
    send: `${GET}\r\n`,
    answer:
      'HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Stays: 2\r\nContent-Length: 2\r\n\r\nok',
    client: /^HTTP\/1\.1 200 [^]*x-stays: 2[^]*ok$/i,
    clientNot: /^(?:x-hop|keep-alive):/im,
  },
  {
    name: 'Connection: close is kept',
    send: `${GET}Connection: close\r\n\r\n`,
    client: /^HTTP\/1\.1 200 [^]*ok$/,
    closes: true,
  },
  {
    name: 'an HTTP/1.0 client is closed',
    send: 'GET / HTTP/1.0\r\nHost: a.test\r\n\r\n',
    client: /^HTTP\/1\.[01] 200 [^]*ok$/,
    closes: true,
  },
  {
    name: 'pipelined requests are answered in order',
    send: `GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    client: /ok[^]*ok$/,
    server: /GET \/1 [^]*GET \/2 /,
  },
  { name: 'an empty line before a request is ignored', send: `\r\n${GET}\r\n`, client: /^HTTP\/1\.1 200 [^]*ok$/ },
  {
    name: 'HEAD has no body, whatever its length says',
    send: 'HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answer: 'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n',
    client: /content-length: 7\r\n\r\n$/i,
  },
  {
    name: '204 has no body',
    send: `${GET}\r\n`,
    answer: 'HTTP/1.1 204 No Content\r\n\r\n',
    client: /^HTTP\/1\.1 204 [^]*\r\n\r\n$/,
  },
  {
    name: '304 has no body, whatever its length says',
    send: `${GET}\r\n`,
    answer: 'HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n',
    client: /^HTTP\/1\.1 304 [^]*\r\n\r\n$/,
  },
  {
    name: '100 Continue comes through, and the body after it',
    send: [
      { send: `${POST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n` },
      { after: /^HTTP\/1\.1 100 /, send: 'hello' },
    ],
    answer: 'HTTP/1.1 100 Continue\r\n\r\n',
    client: /^HTTP\/1\.1 100 /,
    server: /expect: 100-continue/i,
  },
  {
    name: '103 Early Hints comes before the answer',
    send: `${GET}\r\n`,
    answer: 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    client: /^HTTP\/1\.1 103 [^]*HTTP\/1\.1 200 [^]*ok$/,
  },
  {
    name: 'a chunked request reaches the server whole, trailers too',
    send: `${CHUNKED}5;ext=1\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`,
    until: /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n/,
    client: /^HTTP\/1\.1 200 [^]*ok$/,
    server: /hello\r\n0\r\nx-sum: 1\r\n\r\n$/i,
  },
  {
    name: 'a chunked response reaches the client whole, trailers too',
    send: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n',
    client: /hello\r\n0\r\nx-sum: 1\r\n\r\n$/i,
  },
  {
    name: 'a response that ends with its connection',
    send: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\n\r\nuntil the end',
    serverCloses: true,
    client: /until the end$/,
    closes: true,
  },
  {
    name: 'an upgrade becomes a tunnel both ways',
    send: [
      { send: `${GET}Connection: Upgrade\r\nUpgrade: echo\r\n\r\n` },
      { after: /^HTTP\/1\.1 101 [^]*\r\n\r\n/, send: 'ping\r\n\r\n' },
    ],
    answer: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
    client: /^HTTP\/1\.1 101 [^]*HTTP\/1\.1 101 /,
    server: /upgrade: echo[^]*ping\r\n\r\n$/i,
  },
  {
    name: 'CONNECT becomes a tunnel both ways',
    send: [
      { send: 'CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n' },
      { after: /^HTTP\/1\.1 200 [^]*\r\n\r\n/, send: 'ping\r\n\r\n' },
    ],
    answer: 'HTTP/1.1 200 Connected\r\n\r\n',
    client: /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 200 /,
    server: /^CONNECT a\.test:80 HTTP\/1\.1\r\n[^]*ping\r\n\r\n$/,
  },
  {
    name: 'h2c by Upgrade goes no further',
    send: `${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
    client: /^HTTP\/1\.1 200 [^]*ok$/,
    serverNot: /^(?:upgrade|http2-settings|connection):/im,
  },
  {
    name: 'an absolute target of the same host',
    send: 'GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n',
    client: /^HTTP\/1\.1 200 /,
    server: /^GET (?:http:\/\/a\.test)?\/x HTTP/,
  },
  {
    name: 'OPTIONS *',
    send: 'OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n',
    client: /^HTTP\/1\.1 200 /,
    server: /^OPTIONS \* HTTP/,
  },
  {
    name: 'an unknown method',
    send: 'BREW / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    client: /^HTTP\/1\.1 200 /,
    server: /^BREW \/ /,
  },
  {
    name: 'a head of 60 KB',
    send: `${GET}X: ${'a'.repeat(60_000)}\r\n\r\n`,
    client: /^HTTP\/1\.1 200 /,
    server: /aaaa\r\n\r\n$/,
  },
  {
    name: 'spoofed identity is not believed',
    send: `${GET}l5d-client-id: admin\r\n\r\n`,
    client: /^HTTP\/1\.1 200 /,
    serverNot: /l5d-client-id: admin/i,
  },
];

/** What a server may not say to a client. */
const badAnswer = (name: string, answer: string): RawCase => ({
  name: `bad answer: ${name}`,
  send: `${GET}\r\n`,
  answer,
  serverCloses: true,
  client: /^HTTP\/1\.1 502 [^]*\r\n\r\n/,
});
const BAD_ANSWERS: readonly RawCase[] = [
  badAnswer(
    'length and chunked',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  ),
  badAnswer('two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!'),
  badAnswer('a folded field', 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok'),
  badAnswer('a status of two digits', 'HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok'),
  badAnswer('no status line', 'nonsense\r\n\r\n'),
  badAnswer('a bare LF', 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok'),
  badAnswer('NUL in a value', 'HTTP/1.1 200 OK\r\nx: a\0\r\ncontent-length: 2\r\n\r\nok'),
];

export const RAW_CASES: readonly RawCase[] = [...REFUSALS, ...BROKEN_BODIES, ...PASSED_ON, ...BAD_ANSWERS];
