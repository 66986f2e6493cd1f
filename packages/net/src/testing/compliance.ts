/**
 * What every driver must do, as a list of cases that any runner can run: node:test here, a plain
 * loop on other runtimes.
 */
import type { Driver } from '../types.ts';
import { plainCases } from './compliance-plain.ts';
import { tlsCases } from './compliance-tls.ts';

export interface ComplianceCase {
  readonly name: string;
  readonly run: (driver: Driver) => Promise<void>;
}

export const complianceCases: readonly ComplianceCase[] = [...plainCases, ...tlsCases];
