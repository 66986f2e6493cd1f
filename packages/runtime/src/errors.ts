/**
 * The base of every expected failure outside the data path.
 *
 * A failure is a `code` (lower_snake, stable, doubling as metric label and log field) with typed
 * fields in `info`. Callers switch on `code`; they never match on message text.
 */

/** The shape that every error payload has: a stable code and the fields that explain it. */
export interface ErrorInfo {
  readonly code: string;
}

export class MeshError<I extends ErrorInfo = ErrorInfo> extends Error {
  /** Written out in each class: bundles shorten the names of classes. */
  override readonly name: string = 'MeshError';
  readonly info: I;

  /** @param message One sentence for a person: what failed, on which object, and what to do about it. Defaults to the code. */
  constructor(info: I, message?: string, options?: { readonly cause?: unknown }) {
    super(message ?? info.code, options?.cause === undefined ? undefined : { cause: options.cause });
    this.info = info;
  }

  get code(): I['code'] {
    return this.info.code;
  }
}

/** True for the rejection that an aborted `AbortSignal` causes: never a failure, never logged above debug. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

/** What a log line or a condition may say about an unknown thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
