/** Reading request bodies: bounded, JSON or YAML. */
import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { decodeProtobuf, PROTOBUF_TYPE } from '../protobuf/decode.ts';
import { badRequest, failure, unsupportedMediaType } from '../status-error.ts';

/** As etcd's and the API server's limit on one object, 3 MiB. */
const BODY_BYTES_MAX = 3 * 1024 * 1024;
/** How much of a broken body an error repeats. */
const SHOWN_LENGTH_MAX = 1024;
const ACCEPTED = `application/json, application/yaml, ${PROTOBUF_TYPE}`;

export async function readBody(request: IncomingMessage): Promise<string> {
  return (await readBytes(request)).toString('utf8');
}

export async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) {
      throw failure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${BODY_BYTES_MAX}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The media type of the body without parameters; JSON when the header is missing. */
export function contentType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
}

/** A document in any type that objects are sent in; `kind` is what it should be. */
export function parseObjectBody(body: Buffer, type: string, kind: string): unknown {
  if (type === PROTOBUF_TYPE) return decodeProtobuf(body);
  const text = body.toString('utf8');
  if (type === 'application/yaml') return parseYamlText(text);
  if (type !== 'application/json' && type !== '*/*' && type !== '') throw unsupportedMediaType(ACCEPTED);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const shown = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text;
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: ${jsonProblem(text)} (${shown})`,
    );
  }
}

export function parseYamlText(text: string): unknown {
  try {
    return text.trimStart().startsWith('{') ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw badRequest(`error decoding YAML: ${(error as Error).message}`);
  }
}

/** What is wrong with a text that isn't JSON, in the words of Kubernetes' own parser. */
export function jsonProblem(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    const position = Number(/at position (\d+)/.exec((error as Error).message)?.[1] ?? text.length);
    const char = text[position];
    if (char === undefined) return 'unexpected end of JSON input';
    return `invalid character ${JSON.stringify(char).replace(/^"(.*)"$/s, "'$1'")} looking for beginning of value`;
  }
  return 'the text is JSON';
}
