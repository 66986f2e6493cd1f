export {
  AUTHORITY_LIFETIME_MS,
  chainPem,
  checkIssuer,
  CLOCK_SKEW_MS,
  createIssuer,
  createTrustAnchor,
  issueCertificate,
  issueLeaf,
  LEAF_LIFETIME_MS,
  loadIssuer,
} from './authority.ts';
export type { Authority, AuthorityOptions, CertificateOptions, LeafValidity } from './authority.ts';
export { Certificate, describeKey, isP256, pemOf } from './certificate.ts';
export { createRequest, parseRequest } from './csr.ts';
export type { CertificateRequest } from './csr.ts';
export { isPkiError, PkiError } from './errors.ts';
export type { PkiErrorCode, PkiErrorInfo } from './errors.ts';
export { authorityKeyId, subjectKeyId } from './key-identifiers.ts';
export { createKeyPair, keyPairOf } from './key-pair.ts';
export type { KeyPair } from './key-pair.ts';
export { parseCertificate, parseCertificates, parsePrivateKey, privateKeyPem } from './pem.ts';
export { readPkcs12 } from './pkcs12.ts';
export type { Pkcs12Content } from './pkcs12.ts';
export { checkValidity, verifyChain } from './verify.ts';
