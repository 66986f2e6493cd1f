/** The parts of Service and EndpointSlice that DNS and the Service proxy read. */

interface Named {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export interface ServicePort {
  readonly name?: string | undefined;
  readonly port: number;
  readonly protocol?: string | undefined;
  readonly nodePort?: number | undefined;
}

export interface Service {
  readonly metadata: Named;
  readonly spec?:
    | {
        readonly type?: string | undefined;
        readonly clusterIP?: string | undefined;
        readonly clusterIPs?: readonly string[] | undefined;
        readonly externalName?: string | undefined;
        readonly ports?: readonly ServicePort[] | undefined;
      }
    | undefined;
  readonly status?:
    | {
        readonly loadBalancer?:
          | { readonly ingress?: readonly { readonly ip?: string | undefined }[] | undefined }
          | undefined;
      }
    | undefined;
}

export interface Endpoint {
  readonly addresses: readonly string[];
  readonly hostname?: string | undefined;
  readonly conditions?:
    | {
        readonly ready?: boolean | undefined;
        readonly serving?: boolean | undefined;
        readonly terminating?: boolean | undefined;
      }
    | undefined;
}

export interface EndpointSlice {
  readonly metadata: Named;
  readonly addressType?: string | undefined;
  readonly endpoints?: readonly Endpoint[] | undefined;
  readonly ports?:
    | readonly {
        readonly name?: string | undefined;
        readonly port?: number | undefined;
        readonly protocol?: string | undefined;
      }[]
    | undefined;
}
