/** Reads a `metav1.Status` (or whatever came instead) into a `KubeError`. */
import type { IncomingHttpHeaders } from 'node:http';
import { KubeError } from './errors.ts';
import type { KubeErrorCode } from './errors.ts';

interface StatusBody {
  readonly kind?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: { readonly retryAfterSeconds?: number };
}

/** @param text The response body. */
export function statusError(status: number, headers: IncomingHttpHeaders, text: string, object: string): KubeError {
  const body = parseStatus(text);
  const reason = body?.reason;
  const code = codeOf(status, reason);
  const detail = body?.message ?? (text.slice(0, 200).trim() || `HTTP status ${status}`);
  const retryAfterMs = retryAfter(headers['retry-after'] ?? body?.details?.retryAfterSeconds);
  return new KubeError(
    {
      code,
      object,
      status,
      ...(reason === undefined ? {} : { reason }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
    `${object}: ${detail}${advice(code)}`,
  );
}

/** For the `ERROR` event of a watch, whose object is a Status. */
export function watchError(object: unknown, target: string): KubeError {
  const body = (object ?? {}) as StatusBody;
  return statusError(body.code ?? 500, {}, JSON.stringify(body), target);
}

function parseStatus(text: string): StatusBody | undefined {
  try {
    const value = JSON.parse(text) as StatusBody | null;
    return typeof value === 'object' && value !== null && value.kind === 'Status' ? value : undefined;
  } catch {
    return undefined;
  }
}

function codeOf(status: number, reason: string | undefined): KubeErrorCode {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'not_found';
    case 409:
      return reason === 'AlreadyExists' ? 'already_exists' : 'conflict';
    case 410:
      return 'gone';
    case 429:
      return 'too_many_requests';
    default:
      if (status >= 500) return 'server_error';
      return status >= 400 ? 'invalid' : 'protocol';
  }
}

function advice(code: KubeErrorCode): string {
  if (code === 'unauthorized')
    return '; the credentials are not accepted (expired, revoked or of another cluster): renew them';
  if (code === 'forbidden') return '; grant the right in RBAC or use other credentials';
  return '';
}

function retryAfter(value: string | number | undefined): number | undefined {
  const seconds = Number(value ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}
