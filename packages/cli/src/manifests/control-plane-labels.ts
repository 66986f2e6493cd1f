/** Labels that the objects of the control plane carry. */
import type { Labels } from './object.ts';
import { NAMESPACE } from './template.ts';

/** Labels of every object of the control plane; `component` is what Linkerd's dashboards and selectors use. */
export function componentLabels(component: string): Labels {
  return {
    'linkerd.io/control-plane-component': component,
    'linkerd.io/control-plane-ns': NAMESPACE,
  };
}
