export { FEDERATION_CRDS } from './federation-crds.ts';
export { LINK_CRD } from './link-crd.ts';
export { MCS_CRDS } from './mcs-crds.ts';
export { MESH_CRDS } from './policy-crds.ts';
