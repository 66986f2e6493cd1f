/** The custom resource definitions, by product. */
import { CRD_MANIFESTS, LINK_CRD } from '@mesh/kube';
import type { Manifest } from './object.ts';

/** What `mesh install --crds` prints. */
export function crdManifests(): readonly Manifest[] {
  return CRD_MANIFESTS as readonly Manifest[];
}

/** What `mesh multicluster install` prints first. */
export function linkCrdManifest(): Manifest {
  return LINK_CRD as Manifest;
}
