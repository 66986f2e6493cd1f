/** `$(NAME)` references of commands, arguments and variables, as the kubelet expands them; `$$` escapes. */

/** Unknown names stay as they are written. */
export function expand(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\$|\$\(([^()\s]+)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return values[name] ?? whole;
  });
}

/**
 * Replaces mount paths by the folders that stand for them here, since processes share one file system.
 *
 * @param mounts pairs of mount path and real path
 */
export function translatePaths(text: string, mounts: readonly (readonly [from: string, to: string])[]): string {
  let result = text;
  for (const [from, to] of mounts.toSorted((a, b) => b[0].length - a[0].length)) {
    if (from.length < 2 || !result.includes(from)) continue;
    const pattern = new RegExp(String.raw`(^|[=:,\s"'])${RegExp.escape(from)}(?=$|[/:,\s"'])`, 'g');
    result = result.replaceAll(pattern, (_whole, lead: string) => lead + to);
  }
  return result;
}
