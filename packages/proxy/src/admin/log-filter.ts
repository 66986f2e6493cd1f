/**
 * The log level as Linkerd writes it: `warn,linkerd=info,hickory=error`. We have one level: that of the `linkerd` (or `mesh`) target when it is
 * named, else the one without target.
 */
import { LOG_LEVELS } from '@mesh/runtime';
import type { LogControl, LogLevel } from '@mesh/runtime';

export class LogFilter {
  readonly #control: LogControl;
  text: string;

  constructor(control: LogControl, text: string) {
    this.#control = control;
    this.text = text;
    this.set(text);
  }

  /** Applies a filter; returns what is wrong with it, and then changes nothing. */
  set(text: string): string | undefined {
    const level = parseLogFilter(text);
    if (level === undefined)
      return `the filter ${JSON.stringify(text)} names no level: give warn,linkerd=info or just info`;
    this.#control.level = level;
    this.text = text;
    return undefined;
  }
}

/** Our level for a filter, or `undefined` when a directive has no known level. */
export function parseLogFilter(text: string): LogLevel | undefined {
  let general: LogLevel | undefined;
  let own: LogLevel | undefined;
  for (const directive of text.split(',')) {
    const item = directive.trim();
    if (item === '' || item.startsWith('[')) continue;
    const [target, name] = item.includes('=') ? item.split('=', 2) : ['', item];
    const level = toLevel(name ?? '');
    if (level === undefined) return undefined;
    if (target === '') general = level;
    else if (target === 'linkerd' || target === 'mesh' || target?.startsWith('linkerd_app') === true) own = level;
  }
  return own ?? general;
}

function toLevel(name: string): LogLevel | undefined {
  const lower = name.toLowerCase();
  if (lower === 'trace') return 'debug';
  return LOG_LEVELS.find((level) => level === lower);
}
