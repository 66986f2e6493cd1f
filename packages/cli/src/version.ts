/** The version that the command line prints, and that manifests carry. */
export { MESH_VERSION } from '@mesh/runtime';
