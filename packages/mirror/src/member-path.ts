/** Whether a federated member is reached through its cluster's gateway or pod to pod. Pure. */
import type { Service } from '@mesh/kube';
import type { LinkPlan, MemberPath } from './link-plan.ts';
import { ANNOTATION_PATH } from './names.ts';

/** The exported Service decides, then the Link, then whether there is a gateway. `undefined`: a gateway is asked for, and there is none. */
export function pathOf(plan: LinkPlan, service: Service): MemberPath | undefined {
  const asked = service.metadata.annotations?.[ANNOTATION_PATH];
  const wanted = asked === 'gateway' || asked === 'flat' ? asked : plan.path;
  if (wanted === 'flat') return 'flat';
  if (plan.gateway !== undefined) return 'gateway';
  return wanted === 'gateway' ? undefined : 'flat';
}
