/** The one version of the whole mesh: CLI, images, manifests, and what clusters tell each other. */
export const MESH_VERSION = '0.1.0';
