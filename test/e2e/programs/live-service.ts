/** The gRPC service of the live programs: every kind of call, messages as JSON so that nothing needs to be generated. */
import type { MethodDefinition } from '@grpc/grpc-js';

/** A text, and who the server says has asked. */
export interface Note {
  readonly text: string;
  readonly client?: string;
}

function method(name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Note, Note> {
  return {
    path: `/mesh.e2e.Live/${name}`,
    requestStream,
    responseStream,
    requestSerialize: encode,
    requestDeserialize: decode,
    responseSerialize: encode,
    responseDeserialize: decode,
  };
}

function encode(note: Note): Buffer {
  return Buffer.from(JSON.stringify(note));
}

function decode(bytes: Buffer): Note {
  return JSON.parse(bytes.toString()) as Note;
}

export const LIVE = {
  /** Gives the text back, with the client's identity; `fail` ends with a status, a message and trailers. */
  unary: method('Unary', false, false),
  /** Never answers. */
  never: method('Never', false, false),
  /** As many notes as the text says. */
  count: method('Count', false, true),
  /** All texts in one. */
  collect: method('Collect', true, false),
  /** Each text back, upper case, as it comes. */
  chat: method('Chat', true, true),
} as const;

/** Empty: the server as a whole. */
export interface HealthQuestion {
  readonly service: string;
}
export interface HealthAnswer {
  readonly serving: boolean;
}

/** Of gRPC's health checking protocol, what probes call; its messages are so small that they are written by hand. */
export const HEALTH = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: ({ service }: HealthQuestion) => Buffer.from([0x0a, service.length, ...Buffer.from(service)]),
    requestDeserialize: (bytes: Buffer) => ({ service: bytes.subarray(2).toString() }),
    // Field 1, SERVING or SERVICE_UNKNOWN.
    responseSerialize: ({ serving }: HealthAnswer) => Buffer.from([0x08, serving ? 1 : 3]),
    responseDeserialize: (bytes: Buffer) => ({ serving: bytes[1] === 1 }),
  } satisfies MethodDefinition<HealthQuestion, HealthAnswer>,
} as const;
/** The name by which probes ask for the live service. */
export const HEALTH_NAME = 'live';

export const GRPC_PORT = 9000;
export const HTTP_PORT = 8080;
/** Server-sent events of one request to /events, and the time between two of them. */
export const EVENTS = { count: 10, everyMs: 200 } as const;
