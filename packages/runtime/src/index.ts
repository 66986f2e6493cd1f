export { systemClock, sleep } from './clock.ts';
export type { Clock, Timer } from './clock.ts';
export { formatDurationMs, parseDurationMs } from './duration.ts';
export { isAbort, MeshError, messageOf } from './errors.ts';
export type { ErrorInfo } from './errors.ts';
export { Drain, Readiness, startAll } from './lifecycle.ts';
export type { Component } from './lifecycle.ts';
export { createLogger, LOG_LEVELS, silentLogger, stderrSink } from './logger.ts';
export type { LogControl, LogFields, LogFormat, Logger, LogLevel, LogSink } from './logger.ts';
