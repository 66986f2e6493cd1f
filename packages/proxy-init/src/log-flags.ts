/** `--log-format` and `--log-level`, which the programs of this package share. */
import { createLogger } from '@mesh/runtime';
import type { LogFormat, Logger, LogLevel, LogSink } from '@mesh/runtime';
import type { FlagReader, FlagSpec } from './flags.ts';

export interface LogOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
}

export const LOG_FLAGS = {
  'log-format': { kind: 'text', about: 'plain (default) or json' },
  'log-level': { kind: 'text', about: 'debug, info (default), warn, error or off' },
} as const satisfies Record<string, FlagSpec>;

const LEVELS: Readonly<Record<string, LogLevel>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  off: 'off',
};

export function readLogOptions(reader: FlagReader): LogOptions {
  return {
    format: reader.oneOf<LogFormat>('log-format', 'plain', { plain: 'plain', json: 'json' }),
    level: reader.oneOf<LogLevel>('log-level', 'info', LEVELS),
  };
}

export function openLog({ format, level }: LogOptions, sink: LogSink): Logger {
  return createLogger({ control: { level }, format, sink });
}
