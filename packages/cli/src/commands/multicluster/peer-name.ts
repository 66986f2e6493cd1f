/** Names of peers: they become part of the names of namespaces and accounts, and are label values. */
import { CliError } from '../../errors.ts';

/** `mesh-peer-` and the name must fit into a namespace's 63 characters. */
const LENGTH_MAX = 53;

/** @throws CliError `usage` */
export function checkedPeer(name: string, flag: string): string {
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) && name.length <= LENGTH_MAX) return name;
  throw new CliError(
    { code: 'usage', flag },
    `${flag} ${name}: it becomes part of a namespace's name, so use lower-case letters, digits and dashes, at most ${LENGTH_MAX}`,
  );
}
