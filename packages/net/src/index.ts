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
