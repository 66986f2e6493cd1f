/** DNS messages as values: what is asked, what is answered. Numbers are those of IANA's "Domain Name System (DNS) Parameters". */

export const TYPE = {
  A: 1,
  NS: 2,
  SOA: 6,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** Response codes; those above 15 need EDNS (RFC 6891 §6.1.3). */
export const RCODE = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;
export type ResponseCode = (typeof RCODE)[keyof typeof RCODE];

/** The Internet. */
export const CLASS_IN = 1;

export interface Question {
  /** Lower case, without the root. A label may contain any byte, one character each. */
  readonly labels: readonly string[];
  readonly type: number;
  readonly class: number;
}

/** The OPT pseudo record of a query (RFC 6891 §6.1). */
export interface Edns {
  readonly version: number;
  /** What the client takes over UDP. */
  readonly udpBytes: number;
  readonly dnssecOk: boolean;
}

export interface Query {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  readonly question: Question;
  /** The question section as it came: the response repeats it, letter case included. */
  readonly questionBytes: Uint8Array;
  readonly edns: Edns | undefined;
}

interface RecordOwner {
  /** Lower case, without the last dot. */
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
}

export type ResourceRecord =
  | (RecordOwner & {
      readonly type: typeof TYPE.A | typeof TYPE.AAAA;
      /** 4 or 16 bytes. */
      readonly address: Uint8Array;
    })
  | (RecordOwner & { readonly type: typeof TYPE.NS; readonly target: string })
  | (RecordOwner & { readonly type: typeof TYPE.TXT; readonly text: string })
  | (RecordOwner & {
      readonly type: typeof TYPE.SRV;
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    })
  | (RecordOwner & {
      readonly type: typeof TYPE.SOA;
      readonly primary: string;
      readonly mailbox: string;
      readonly serial: number;
      readonly refresh: number;
      readonly retry: number;
      readonly expire: number;
      /** How long a negative answer may be kept, seconds (RFC 2308 §4). */
      readonly minimum: number;
    });

/** What is said to a query. */
export interface Reply {
  readonly code: ResponseCode;
  /** About a name of our own zone. */
  readonly authoritative: boolean;
  readonly answers: readonly ResourceRecord[];
  /** The SOA of a negative answer. */
  readonly authority: readonly ResourceRecord[];
  /** Useful but not asked for; left out when there is no room. */
  readonly additional: readonly ResourceRecord[];
}
