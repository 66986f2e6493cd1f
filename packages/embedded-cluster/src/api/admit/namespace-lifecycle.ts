/** Objects can be created only in a namespace that exists and isn't going away; the system's namespaces can't be deleted. */
import type { AdmissionPlugin } from '../admission.ts';
import { asObject } from '../json.ts';
import type { AdmissionAttributes } from '../machinery.ts';
import { failure, forbidden, notFound, qualified } from '../status-error.ts';
import type { Store } from '../store.ts';

const PROTECTED = new Set(['default', 'kube-system', 'kube-public']);
/** Reviews ask about a namespace; they aren't stored in it. */
const REVIEW_GROUP = 'authorization.k8s.io';

export class NamespaceLifecycle implements AdmissionPlugin {
  readonly name = 'NamespaceLifecycle';
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  mutate(attributes: AdmissionAttributes): void {
    const { operation, resource, namespace, name } = attributes;
    if (resource.bucket === '/namespaces') {
      if (operation === 'DELETE' && PROTECTED.has(name))
        throw forbidden(resource, name, 'this namespace may not be deleted');
      return;
    }
    if (operation !== 'CREATE' || !resource.namespaced || namespace === undefined || resource.group === REVIEW_GROUP)
      return;
    const found = this.#store.get('/namespaces', namespace);
    if (found === undefined) throw notFound({ group: '', plural: 'namespaces' }, namespace);
    const terminating =
      found.metadata.deletionTimestamp !== undefined || asObject(found['status'])?.['phase'] === 'Terminating';
    if (!terminating || attributes.subresource !== undefined) return;
    throw failure(
      403,
      'Forbidden',
      `${qualified(resource)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
      {
        name,
        ...(resource.group === '' ? {} : { group: resource.group }),
        kind: resource.plural,
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${namespace} is being terminated`,
            field: 'metadata.namespace',
          },
        ],
      },
    );
  }
}
