/**
 * Structured logs: a constant message, everything variable as fields.
 *
 * `error` someone must act; `warn` degraded or about to be; `info` rare state changes and
 * start/stop; `debug` per connection or request. Secrets are never logged; bytes that a peer controls
 * are never logged raw at info or above.
 */
import { MeshError } from './errors.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each record; the level stays shared with its parent. */
  child(fields: LogFields): Logger;
  enabled(level: LogLevel): boolean;
}

/** Where finished lines go; synchronous, as lines are few by policy. */
export type LogSink = (line: string) => void;

export interface LogControl {
  level: LogLevel;
}

export type LogFormat = 'json' | 'plain';

export function createLogger(options: {
  readonly control: LogControl;
  readonly format: LogFormat;
  readonly sink: LogSink;
  readonly fields?: LogFields;
}): Logger {
  const { control, format, sink, fields } = options;
  const write = (level: LogLevel, message: string, extra: LogFields | undefined): void => {
    if (!isEnabled(control, level)) return;
    const record = { ...fields, ...extra };
    sink(format === 'json' ? jsonLine(level, message, record) : plainLine(level, message, record));
  };
  return {
    debug: (message, extra) => write('debug', message, extra),
    info: (message, extra) => write('info', message, extra),
    warn: (message, extra) => write('warn', message, extra),
    error: (message, extra) => write('error', message, extra),
    child: (extra) => createLogger({ control, format, sink, fields: { ...fields, ...extra } }),
    enabled: (level) => isEnabled(control, level),
  };
}

/** A logger for tests and for code that must not speak. */
export const silentLogger: Logger = createLogger({ control: { level: 'off' }, format: 'json', sink: () => undefined });

/** Lines to standard error, as containers and people expect. */
export const stderrSink: LogSink = (line) => void process.stderr.write(`${line}\n`);

function isEnabled(control: LogControl, level: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(control.level) && control.level !== 'off';
}

function jsonLine(level: LogLevel, message: string, fields: LogFields): string {
  return JSON.stringify({ timestamp: new Date().toISOString(), level, message, ...fields }, replaceErrors);
}

function plainLine(level: LogLevel, message: string, fields: LogFields): string {
  const pairs = Object.entries(fields).map(
    ([key, value]) => `${key}=${JSON.stringify(value, replaceErrors) ?? 'undefined'}`,
  );
  return [new Date().toISOString(), level.toUpperCase().padEnd(5), message, ...pairs].join(' ');
}

function replaceErrors(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (!(value instanceof Error)) return value;
  const info = value instanceof MeshError ? (value.info as object) : {};
  return {
    name: value.name,
    message: value.message,
    ...info,
    ...(value.cause === undefined ? {} : { cause: value.cause }),
  };
}
