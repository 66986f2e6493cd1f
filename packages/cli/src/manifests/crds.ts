/** The custom resource definitions, by product. */
import { FEDERATION_CRDS, LINK_CRD, MCS_CRDS, MESH_CRDS } from '@mesh/kube/crds';
import type { CustomResourceDefinition } from '@mesh/kube';
import type { Manifest } from './object.ts';

/** What `mesh install --crds` prints. */
export function crdManifests(): readonly Manifest[] {
  return MESH_CRDS.map(manifestOf);
}

/** What `mesh multicluster install` prints first. */
export function linkCrdManifest(): Manifest {
  return manifestOf(LINK_CRD);
}

/** Exports, and the peers that may see them. */
export function federationCrdManifests(): readonly Manifest[] {
  return FEDERATION_CRDS.map(manifestOf);
}

/** The Multi-Cluster Services API, which other products install too. */
export function mcsCrdManifests(): readonly Manifest[] {
  return MCS_CRDS.map(manifestOf);
}

function manifestOf(crd: CustomResourceDefinition): Manifest {
  const { name, labels, annotations } = crd.metadata;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name,
      ...(annotations === undefined ? {} : { annotations }),
      ...(labels === undefined ? {} : { labels }),
    },
    spec: crd.spec,
  };
}
