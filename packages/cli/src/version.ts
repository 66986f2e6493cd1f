/** The one version of the whole mesh: CLI, images, manifests. */
export const MESH_VERSION = '0.1.0';
