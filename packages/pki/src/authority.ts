/**
 * Certificate authorities: a trust anchor for the federation, an issuer (intermediate) for each
 * cluster below it, and the certificates that they issue.
 */
import type { KeyObject } from 'node:crypto';
import { randomBytes } from 'node:crypto';

import type { Clock } from '@mesh/runtime';
import { systemClock } from '@mesh/runtime';

import { Certificate, describeKey, isP256 } from './certificate.ts';
import type { CertificateRequest } from './csr.ts';
import { loadEngine, signingAlgorithm, toCryptoKey } from './engine.ts';
import type { Engine, Extension } from './engine.ts';
import { PkiError } from './errors.ts';
import { createKeyPair } from './key-pair.ts';
import type { KeyPair } from './key-pair.ts';
import { parseCertificates, parsePrivateKey, privateKeyPem } from './pem.ts';
import { verifyChain } from './verify.ts';

/** A CA certificate with its private key and what leads from it towards a root. */
export interface Authority {
  /** Own certificate first, then the intermediates above it; the root is not among them unless it is the authority itself. */
  readonly chain: readonly Certificate[];
  readonly certificate: Certificate;
  readonly key: KeyObject;
}

const DAY_MS = 86_400_000;
/** Linkerd's identityIssuanceLifetime and clock-skew allowance (chart). */
export const LEAF_LIFETIME_MS = DAY_MS;
export const CLOCK_SKEW_MS = 20_000;
/** As `linkerd install` creates them: anchors and issuers for a year, unless given. */
export const AUTHORITY_LIFETIME_MS = 365 * DAY_MS;

export interface AuthorityOptions {
  readonly commonName: string;
  readonly lifetimeMs?: number;
  /** How long before now it is valid already, for machines whose clocks are behind; default {@link CLOCK_SKEW_MS}. */
  readonly skewMs?: number;
  readonly clock?: Clock;
  readonly keys?: KeyPair;
}

/** A self-signed root. */
export async function createTrustAnchor(options: AuthorityOptions): Promise<Authority> {
  const keys = options.keys ?? createKeyPair();
  const certificate = await sign(
    { key: keys.privateKey, issuer: undefined },
    { ...options, publicKey: keys.publicKey, ca: {} },
  );
  return { chain: [certificate], certificate, key: keys.privateKey };
}

/**
 * An intermediate below `parent`.
 * @param options.pathLength How many CAs may stand below it; 0 by default: it issues leaves only.
 */
export async function createIssuer(
  parent: Authority,
  options: AuthorityOptions & { readonly pathLength?: number },
): Promise<Authority> {
  const keys = options.keys ?? createKeyPair();
  const certificate = await sign(
    { key: parent.key, issuer: parent.certificate },
    { ...options, publicKey: keys.publicKey, ca: { pathLength: options.pathLength ?? 0 } },
  );
  return {
    chain: [certificate, ...parent.chain.filter((one) => !one.isSelfIssued)],
    certificate,
    key: keys.privateKey,
  };
}

/**
 * An issuer as the identity service loads it, checked: the key belongs to the certificate, both are P-256, it is a CA, it is
 * valid now, and it leads to one of `anchors`.
 * @param certificatePem The issuer first, then intermediates above it if there are any.
 * @throws PkiError
 */
export function loadIssuer(options: {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly anchors: readonly Certificate[];
  readonly password?: string;
  readonly nowMs?: number;
  /** Name the inputs in errors. */
  readonly certificateName?: string;
  readonly keyName?: string;
}): Authority {
  const chain = parseCertificates(options.certificatePem, options.certificateName ?? 'the issuer certificate');
  const certificate = chain[0];
  if (certificate === undefined)
    throw new PkiError({ code: 'malformed', what: 'the issuer certificate', detail: 'it is empty' });
  const key = parsePrivateKey(options.keyPem, {
    what: options.keyName ?? 'the issuer key',
    ...(options.password === undefined ? {} : { password: options.password }),
  });
  return checkIssuer(
    { chain: chain.filter((one, index) => index === 0 || !one.isSelfIssued), certificate, key },
    options.anchors,
    options.nowMs,
  );
}

/** The checks of {@link loadIssuer}, for an authority that came another way (for example from PKCS#12). */
export function checkIssuer(
  authority: Authority,
  anchors: readonly Certificate[],
  nowMs: number = systemClock.now(),
): Authority {
  const { certificate, key } = authority;
  const subject = certificate.subject;
  if (!isP256(certificate.publicKey)) {
    throw new PkiError({
      code: 'wrong_key_type',
      subject,
      found: describeKey(certificate.publicKey),
      wanted: 'ECDSA P-256',
    });
  }
  if (!certificate.x509.checkPrivateKey(key)) throw new PkiError({ code: 'key_mismatch', subject });
  if (!certificate.isCa) throw new PkiError({ code: 'not_a_ca', subject });
  verifyChain({ leaf: certificate, intermediates: authority.chain.slice(1), anchors, nowMs });
  return authority;
}

export interface LeafValidity {
  readonly lifetimeMs?: number;
  readonly skewMs?: number;
  readonly clock?: Clock;
}

/**
 * A workload certificate: subject and names copied from the request, ECDSA with SHA-256, for servers and clients, valid from
 * `skew` ago until `lifetime + skew` ahead, never beyond the first expiry in the issuer's chain.
 */
export async function issueLeaf(
  authority: Authority,
  request: CertificateRequest,
  validity: LeafValidity = {},
): Promise<Certificate> {
  return sign(
    { key: authority.key, issuer: authority.certificate },
    {
      subjectDer: request.subjectDer,
      dnsNames: request.dnsNames,
      publicKey: request.publicKey,
      usages: ['server', 'client'],
      notAfterMaxMs: Math.min(...authority.chain.map((one) => one.notAfterMs)),
      ...validity,
    },
  );
}

export interface CertificateOptions extends LeafValidity {
  readonly commonName: string;
  /** Kubernetes reads groups from them. */
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages: readonly ('server' | 'client')[];
  readonly keys?: KeyPair;
}

/** Any other end-entity certificate: for webhooks, API servers, kubeconfig users. */
export async function issueCertificate(
  authority: Authority,
  options: CertificateOptions,
): Promise<{
  readonly certificate: Certificate;
  readonly key: KeyObject;
  readonly keyPem: string;
  readonly chainPem: string;
}> {
  const keys = options.keys ?? createKeyPair();
  const certificate = await sign(
    { key: authority.key, issuer: authority.certificate },
    { ...options, publicKey: keys.publicKey, notAfterMaxMs: Math.min(...authority.chain.map((one) => one.notAfterMs)) },
  );
  return {
    certificate,
    key: keys.privateKey,
    keyPem: privateKeyPem(keys.privateKey),
    chainPem: chainPem([certificate, ...authority.chain]),
  };
}

/** Certificates as one PEM text, in order. */
export function chainPem(chain: readonly Certificate[]): string {
  return chain.map((one) => one.pem).join('');
}

interface Template extends LeafValidity {
  readonly commonName?: string;
  readonly organizations?: readonly string[];
  readonly subjectDer?: Uint8Array;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages?: readonly ('server' | 'client')[];
  readonly ca?: { readonly pathLength?: number };
  readonly publicKey: KeyObject;
  readonly notAfterMaxMs?: number;
}

async function sign(
  signer: { readonly key: KeyObject; readonly issuer: Certificate | undefined },
  template: Template,
): Promise<Certificate> {
  const engine = await loadEngine();
  const now = (template.clock ?? systemClock).now();
  const skew = template.skewMs ?? CLOCK_SKEW_MS;
  const lifetime = template.lifetimeMs ?? (template.ca === undefined ? LEAF_LIFETIME_MS : AUTHORITY_LIFETIME_MS);
  const notAfter = Math.min(
    now + lifetime + (template.ca === undefined ? skew : 0),
    template.notAfterMaxMs ?? Number.MAX_SAFE_INTEGER,
  );
  const subject = subjectOf(engine, template);
  const issued = await engine.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    // The encoded name is copied, not rebuilt: peers compare names byte by byte.
    issuer:
      signer.issuer === undefined ? subject : new engine.X509Certificate(new Uint8Array(signer.issuer.der)).subjectName,
    notBefore: new Date(now - skew),
    notAfter: new Date(notAfter),
    publicKey: await toCryptoKey(template.publicKey),
    signingKey: await toCryptoKey(signer.key),
    signingAlgorithm: signingAlgorithm(signer.key),
    extensions: await extensionsOf(engine, template, signer.issuer),
  });
  return new Certificate(new Uint8Array(issued.rawData));
}

function subjectOf(engine: Engine, template: Template): InstanceType<Engine['Name']> {
  if (template.subjectDer !== undefined) return new engine.Name(new Uint8Array(template.subjectDer));
  return new engine.Name([
    ...(template.organizations ?? []).map((name) => ({ O: [name] })),
    ...(template.commonName === undefined ? [] : [{ CN: [template.commonName] }]),
  ]);
}

async function extensionsOf(engine: Engine, template: Template, issuer: Certificate | undefined): Promise<Extension[]> {
  const { KeyUsageFlags } = engine;
  const publicKey = await toCryptoKey(template.publicKey);
  const names = [
    ...(template.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(template.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const usages = (template.usages ?? []).map((usage) => (usage === 'server' ? EKU_SERVER : EKU_CLIENT));
  const flags: number =
    template.ca === undefined
      ? KeyUsageFlags.digitalSignature + KeyUsageFlags.keyEncipherment
      : KeyUsageFlags.keyCertSign + KeyUsageFlags.cRLSign;
  return [
    // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- flags are a sum of members
    new engine.KeyUsagesExtension(flags, true),
    new engine.BasicConstraintsExtension(template.ca !== undefined, template.ca?.pathLength, true),
    ...(usages.length === 0 ? [] : [new engine.ExtendedKeyUsageExtension(usages)]),
    await engine.SubjectKeyIdentifierExtension.create(publicKey),
    ...(issuer === undefined
      ? []
      : [await engine.AuthorityKeyIdentifierExtension.create(await toCryptoKey(issuer.publicKey))]),
    ...(names.length === 0 ? [] : [new engine.SubjectAlternativeNameExtension(names)]),
  ];
}

/** 127 random bits: unique per issuer without shared state (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

const EKU_SERVER = '1.3.6.1.5.5.7.3.1';
const EKU_CLIENT = '1.3.6.1.5.5.7.3.2';
