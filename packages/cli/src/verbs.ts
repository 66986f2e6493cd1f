/** The verbs of `mesh` itself: no plugin can take their place, and finding that out loads nothing. */

export const BUILT_IN_VERBS: ReadonlySet<string> = new Set([
  'check',
  'completion',
  'dg',
  'diagnostics',
  'help',
  'identity',
  'inject',
  'install',
  'mc',
  'multicluster',
  'prune',
  'uninject',
  'uninstall',
  'upgrade',
  'version',
]);
