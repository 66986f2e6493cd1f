/** Reading request bodies: bounded, JSON or YAML. */
import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { decodeProtobuf, PROTOBUF_TYPE } from '../protobuf/decode.ts';
import { badRequest, failure, unsupportedMediaType } from '../status-error.ts';

/** As etcd's and the API server's limit on one object, 3 MiB. */
const BODY_BYTES_MAX = 3 * 1024 * 1024;
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

/** A document in any type that objects are sent in. */
export function parseObjectBody(body: Buffer, type: string): unknown {
  if (type === PROTOBUF_TYPE) return decodeProtobuf(body);
  const text = body.toString('utf8');
  if (type === 'application/yaml') return parseYamlText(text);
  if (type !== 'application/json' && type !== '*/*' && type !== '') throw unsupportedMediaType(ACCEPTED);
  return parseJsonText(text);
}

export function parseYamlText(text: string): unknown {
  try {
    return text.trimStart().startsWith('{') ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw badRequest(`error decoding YAML: ${(error as Error).message}`);
  }
}

export function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type JSON): ${(error as Error).message}`);
  }
}
