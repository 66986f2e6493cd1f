/**
 * What every driver must do, as a list of cases that any runner can run: node:test here, a plain
 * loop on other runtimes.
 */
import type { Driver } from '../types.ts';
import { plainCases } from './compliance-plain.ts';
import { tlsAdmissionCases } from './compliance-tls-admission.ts';
import { tlsHandshakeCases } from './compliance-tls-handshake.ts';
import { tlsRotationCases } from './compliance-tls-rotation.ts';
import { tlsTransferCases } from './compliance-tls-transfer.ts';

export interface ComplianceCase {
  readonly name: string;
  readonly run: (driver: Driver) => Promise<void>;
}

export const complianceCases: readonly ComplianceCase[] = [
  ...plainCases,
  ...tlsTransferCases,
  ...tlsAdmissionCases,
  ...tlsHandshakeCases,
  ...tlsRotationCases,
];
