/** The string formats that the API server checks in custom resources; others mean nothing. */
import { isIPv4, isIPv6 } from 'node:net';
import { cidrErrors } from '../names.ts';
import { parseTime } from '../times.ts';

const CHECKS: Readonly<Record<string, (value: string) => boolean>> = {
  byte: (value) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value),
  date: (value) => /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)),
  'date-time': (value) => parseTime(value) !== undefined,
  datetime: (value) => parseTime(value) !== undefined,
  duration: (value) =>
    /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(value) ||
    value === '0' ||
    /^\d+ ?(?:ns|us|ms|s|m|h|hr|hour|hours|d|day|days|w|week|weeks|seconds?|minutes?|milli(?:second)?s?|micro(?:second)?s?|nano(?:second)?s?)$/i.test(
      value,
    ),
  email: (value) => /^[^\s@]+@[^\s@]+$/.test(value),
  hostname: (value) =>
    value.length <= 255 && /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62})(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62}))*\.?$/.test(value),
  ipv4: (value) => isIPv4(value),
  ipv6: (value) => isIPv6(value),
  cidr: (value) => cidrErrors(value).length === 0,
  mac: (value) =>
    /^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(value) || /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(value),
  uri: (value) => URL.canParse(value) || value.startsWith('/'),
  uuid: (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(value),
  uuid3: (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(value),
  uuid4: (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(value),
  uuid5: (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(value),
  hexcolor: (value) => /^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(value),
  k8s_short_name: () => true,
};

/** Whether a value breaks its format. */
export function formatError(format: string, value: string): boolean {
  return Object.hasOwn(CHECKS, format) && CHECKS[format]?.(value) === false;
}
