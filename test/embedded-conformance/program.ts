/** The conformance program: the same calls, in the same order, against any Kubernetes API. */
import { randomBytes } from 'node:crypto';
import { ApiCaller, type Step, type Target } from './api-caller.ts';
import { accessCases } from './cases/access.ts';
import { applyCases } from './cases/apply.ts';
import { customResourceCases } from './cases/custom-resources.ts';
import { deletionCases } from './cases/deletion.ts';
import { interplayCases } from './cases/interplay.ts';
import { kindCases } from './cases/kinds.ts';
import { listCases } from './cases/lists.ts';
import { objectCases } from './cases/objects.ts';
import { patchCases } from './cases/patches.ts';
import { watchCases } from './cases/watches.ts';
import { webhookCases } from './cases/webhooks.ts';
import { normalise } from './normalise.ts';

export interface Environment {
  /** The namespace of the run, new and empty. */
  readonly namespace: string;
  /** Part of names outside the namespace. */
  readonly suffix: string;
  /** Where the API server reaches webhooks that this process serves. */
  readonly webhookHost: string;
}

export type Cases = (api: ApiCaller, environment: Environment) => Promise<void>;

/** What can be recorded and run alone. */
const ALL: Readonly<Record<string, Cases>> = {
  objects: objectCases,
  patches: patchCases,
  apply: applyCases,
  lists: listCases,
  watches: watchCases,
  deletion: deletionCases,
  kinds: kindCases,
  customResources: customResourceCases,
  webhooks: webhookCases,
  access: accessCases,
  interplay: interplayCases,
};

export const TOPICS: readonly string[] = Object.keys(ALL);

/** Runs all cases and gives the normalised transcript by topic. What it made in the cluster is deleted. */
export async function runProgram(
  target: Target,
  options: { readonly webhookHost: string; readonly only?: string },
): Promise<Record<string, Step[]>> {
  const suffix = randomBytes(4).toString('hex');
  const transcript: Record<string, Step[]> = {};
  for (const [topic, cases] of Object.entries(ALL)) {
    if (options.only !== undefined && options.only !== topic) continue;
    const api = new ApiCaller(target);
    const namespace = `conformance-${topic.toLowerCase()}-${suffix}`;
    try {
      await api.send('POST', '/api/v1/namespaces', {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace },
      });
      await cases(api, { namespace, suffix, webhookHost: options.webhookHost });
    } finally {
      await api.send('DELETE', `/api/v1/namespaces/${namespace}`);
      api.close();
    }
    transcript[topic] = normalise(api.steps, [
      { pattern: namespace, by: '<namespace>' },
      { pattern: suffix, by: '<suffix>' },
      {
        pattern: new RegExp(`${options.webhookHost.replaceAll('.', String.raw`\.`)}:(?!9\\b)\\d+`, 'g'),
        by: '<webhook>',
      },
      { pattern: target.server, by: '<server>' },
    ]);
  }
  return transcript;
}
