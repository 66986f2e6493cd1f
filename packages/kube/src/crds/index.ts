export { LINK_CRD } from './link-crd.ts';
export { MESH_CRDS } from './policy-crds.ts';
