export { LISTEN_BACKLOG } from './types.ts';
export type {
  Address,
  ClientTls,
  Closed,
  ClosedKind,
  Conn,
  ConnectTarget,
  Driver,
  Handlers,
  ListenAddress,
  Listener,
  PeerInfo,
  ServerTls,
  TlsContext,
  TlsMaterial,
} from './types.ts';
export { CLEAN } from './closed.ts';
export { createNodeDriver, ListenError } from './node-driver.ts';
export type { ListenErrorInfo, NodeDriverOptions } from './node-driver.ts';
export type { OriginalDstLookup } from './addresses.ts';
export { SocketCallsError } from './original-dst/c-functions.ts';
export type { SocketCallsErrorInfo } from './original-dst/c-functions.ts';
export { createKernelOriginalDst } from './original-dst/kernel-original-dst.ts';
export { readSubjectAltNames } from './subject-alt-names.ts';
export { TlsMaterialError } from './tls-context.ts';
export type { TlsMaterialErrorInfo } from './tls-context.ts';
