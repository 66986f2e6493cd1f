/** A gRPC program and its client on grpc-js, with messages of plain bytes. */
import { Client, credentials, Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type {
  ClientDuplexStream,
  ClientReadableStream,
  ClientWritableStream,
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServiceError,
} from '@grpc/grpc-js';
import type { Address } from '@mesh/net';

export { Metadata, status };
export type { ServiceError };

const same = (bytes: Buffer): Buffer => bytes;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/mesh.test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const SERVICE = {
  unary: method('Unary', false, false),
  upload: method('Upload', true, false),
  download: method('Download', false, true),
  chat: method('Chat', true, true),
};
/** Larger than any test's message. */
const OPTIONS = { 'grpc.max_receive_message_length': 64 * 1024 * 1024 };

export interface GrpcHandlers {
  readonly unary?: handleUnaryCall<Buffer, Buffer>;
  readonly upload?: handleClientStreamingCall<Buffer, Buffer>;
  readonly download?: handleServerStreamingCall<Buffer, Buffer>;
  readonly chat?: handleBidiStreamingCall<Buffer, Buffer>;
}

export interface GrpcApp {
  readonly port: number;
  readonly server: Server;
  close(): void;
}

export async function grpcApp(ip: string, handlers: GrpcHandlers): Promise<GrpcApp> {
  const server = new Server(OPTIONS);
  server.addService(SERVICE, { ...handlers });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${ip}:0`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, server, close: () => server.forceShutdown() };
}

export interface UnaryAnswer {
  readonly message: Buffer;
  readonly metadata: Metadata;
  readonly trailers: Metadata;
}

export class GrpcClient {
  readonly #client: Client;

  constructor(to: Address) {
    this.#client = new Client(`${to.ip}:${to.port}`, credentials.createInsecure(), {
      ...OPTIONS,
      // Tests with the same address must not share a connection.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.default_authority': 'app.test',
    });
  }

  /** Rejects with a ServiceError. */
  unary(message: Buffer | string, metadata = new Metadata(), deadlineMs = 60_000): Promise<UnaryAnswer> {
    return new Promise((resolve, reject) => {
      let head = new Metadata();
      let answer: Buffer | undefined;
      let failed: ServiceError | null = null;
      const call = this.#client.makeUnaryRequest(
        SERVICE.unary.path,
        same,
        same,
        Buffer.from(message),
        metadata,
        { deadline: Date.now() + deadlineMs },
        (error, got) => {
          failed = error;
          answer = got;
        },
      );
      call.on('metadata', (got) => (head = got));
      call.on('status', ({ metadata: trailers }) => {
        // The callback comes before or after, in the same turn.
        setImmediate(() => {
          if (failed !== null) reject(failed);
          else resolve({ message: answer ?? Buffer.alloc(0), metadata: head, trailers });
        });
      });
    });
  }

  upload(done: (error: ServiceError | null, answer?: Buffer) => void): ClientWritableStream<Buffer> {
    return this.#client.makeClientStreamRequest(SERVICE.upload.path, same, same, new Metadata(), done);
  }

  download(message: Buffer | string): ClientReadableStream<Buffer> {
    return this.#client.makeServerStreamRequest(SERVICE.download.path, same, same, Buffer.from(message));
  }

  chat(): ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(SERVICE.chat.path, same, same);
  }

  close(): void {
    this.#client.close();
  }
}
