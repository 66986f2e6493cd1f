/** Events of controllers: one object per text, with a count. */
import { createHash } from 'node:crypto';
import { hasReason } from '../api/status-error.ts';
import type { ClusterClient, KubeObject } from '../api/types.ts';
import { nowTime, RESOURCES } from './kinds.ts';

/** Best effort, as events are: a failure to write one is not a failure of the controller. */
export async function recordEvent(
  client: ClusterClient,
  involved: KubeObject,
  component: string,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
): Promise<void> {
  const { namespace = 'default', name: involvedName = '', uid } = involved.metadata;
  const digest = createHash('sha256').update(`${uid}\n${reason}\n${message}`).digest('hex').slice(0, 16);
  const name = `${involvedName}.${digest}`;
  const now = nowTime();
  try {
    const held = await client.get(RESOURCES.events, namespace, name).catch(() => undefined);
    if (held !== undefined) {
      const body = { count: Number(held['count'] ?? 1) + 1, lastTimestamp: now };
      await client.patch(RESOURCES.events, namespace, name, { type: 'merge', body });
      return;
    }
    await client.create(RESOURCES.events, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: { apiVersion: involved.apiVersion, kind: involved.kind, namespace, name: involvedName, uid },
      reason,
      message: message.slice(0, 1024),
      type,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component },
      reportingComponent: component,
      reportingInstance: '',
    });
  } catch (error) {
    if (!hasReason(error, 'NotFound') && !hasReason(error, 'Forbidden') && !hasReason(error, 'AlreadyExists'))
      throw error;
  }
}
