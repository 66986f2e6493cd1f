/**
 * The values of an installation by the command line: where they start from, and what is remembered of them. Secret
 * `linkerd-config-overrides` holds what differs from the defaults, so that an upgrade brings new defaults and keeps what somebody chose.
 */
import { MESH_VERSION } from '../version.ts';
import { CONTROL_PLANE_SPEC, defaultControlPlaneValues, highAvailability } from './control-plane.ts';
import type { ControlPlaneValues } from './control-plane.ts';
import { difference } from './merge.ts';
import type { PartialValues } from './merge.ts';

/** What `linkerd.io/created-by` says of objects that the command line printed. */
export const CLI_VERSION = `linkerd/cli ${MESH_VERSION}`;

/** Defaults of `mesh install`: those of the chart, with the Namespace. */
export function installDefaults(options: { readonly ha: boolean }): ControlPlaneValues {
  const defaults = { ...defaultControlPlaneValues(), cliVersion: CLI_VERSION, installNamespace: true };
  return options.ha ? highAvailability(defaults) : defaults;
}

/** What is stored: which defaults, and what is different. */
export interface StoredChoices {
  readonly ha: boolean;
  readonly values: PartialValues<ControlPlaneValues>;
}

/** What somebody chose, without anchors and issuer: those live in objects of their own. */
export function chosenValues(values: ControlPlaneValues): StoredChoices {
  const { identity, highAvailability: ha } = values;
  const chosen = difference(CONTROL_PLANE_SPEC, installDefaults({ ha }), {
    ...values,
    identityTrustAnchorsPEM: '',
    identity: { ...identity, issuer: { ...identity.issuer, tls: { crtPEM: '', keyPEM: '' } } },
  });
  return { ha, values: chosen };
}
