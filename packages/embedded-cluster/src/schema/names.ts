/**
 * The name syntaxes of the API and the words in which each is refused.
 * (RFC 1035, RFC 1123; Kubernetes documentation "Object Names and IDs", "Labels and Selectors".)
 * Every function gives the list of what is wrong: empty when the value is fine.
 */
import { isIPv4, isIPv6 } from 'node:net';

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_TEXT =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY_TEXT =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

export const IP_TEXT = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const LOOPBACK_TEXT = 'may not be in the loopback range (127.0.0.0/8, ::1/128)';

function limit(max: number): string {
  return `must be no more than ${max} characters`;
}

/** RFC 1123 label: at most 63 characters. */
export function dnsLabelErrors(value: string): string[] {
  return [
    ...(value.length > 63 ? [limit(63)] : []),
    ...(LABEL.test(value) ? [] : [SUBDOMAIN.test(value) ? 'must not contain dots' : LABEL_TEXT]),
  ];
}

/** DNS-1035 label, as Service names are. */
export function dns1035LabelErrors(value: string): string[] {
  return [...(value.length > 63 ? [limit(63)] : []), ...(LABEL_1035.test(value) ? [] : [LABEL_1035_TEXT])];
}

/** RFC 1123 subdomain: at most 253 characters. */
export function dnsSubdomainErrors(value: string): string[] {
  return [...(value.length > 253 ? [limit(253)] : []), ...(SUBDOMAIN.test(value) ? [] : [SUBDOMAIN_TEXT])];
}

/** An optional DNS prefix, a slash and a name, as label and annotation keys are. */
export function labelKeyErrors(value: string): string[] {
  const parts = value.split('/');
  const errors: string[] = [];
  const name = parts[parts.length - 1] ?? '';
  if (parts.length > 2)
    return [`a qualified name ${NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') errors.push('prefix part must be non-empty');
    else errors.push(...dnsSubdomainErrors(prefix).map((error) => `prefix part ${error}`));
  }
  if (name === '') errors.push('name part must be non-empty');
  else if (name.length > 63) errors.push(`name part ${limit(63)}`);
  if (!QUALIFIED_NAME.test(name)) errors.push(`name part ${NAME_PART}`);
  return errors;
}

export function labelValueErrors(value: string): string[] {
  return [...(value.length > 63 ? [limit(63)] : []), ...(LABEL_VALUE.test(value) ? [] : [LABEL_VALUE_TEXT])];
}

/** A key of a ConfigMap or Secret, which becomes a file name. */
export function configKeyErrors(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 253) errors.push(limit(253));
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) errors.push(CONFIG_KEY_TEXT);
  if (value === '.') errors.push("must not be '.'");
  else if (value === '..') errors.push("must not be '..'");
  else if (value.startsWith('..')) errors.push("must not start with '..'");
  return errors;
}

/** An IANA service name: at most 15 of [a-z0-9-], with a letter. */
export function portNameErrors(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 15) errors.push(limit(15));
  if (!/^[-a-z0-9]+$/.test(value))
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)');
  if (value.includes('--')) errors.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

export function portNumberErrors(value: number): string[] {
  return value >= 1 && value <= 65_535 ? [] : ['must be between 1 and 65535, inclusive'];
}

export function ipErrors(value: string): string[] {
  return isIPv4(value) || (isIPv6(value) && !value.includes('%')) ? [] : [IP_TEXT];
}

/**
 * Addresses that an endpoint must not have. Pods and nodes of an embedded cluster live in 127.20.0.0 and above,
 * so of the loopback range only 127.0.0.0/16 is refused.
 */
export function endpointIpErrors(value: string): string[] {
  if (value === '0.0.0.0' || value === '::') return ['may not be unspecified (0.0.0.0 or ::)'];
  if (value.startsWith('127.0.') || value === '::1') return [LOOPBACK_TEXT];
  if (value.startsWith('169.254.') || /^fe[89ab]/i.test(value))
    return ['may not be in the link-local range (169.254.0.0/16, fe80::/10)'];
  if (value.startsWith('224.0.0.') || /^ff0?2:/i.test(value))
    return ['may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'];
  return [];
}

export function cidrErrors(value: string): string[] {
  const [address = '', bits = ''] = value.split('/');
  const max = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  return value.split('/').length === 2 && /^\d+$/.test(bits) && Number(bits) <= max
    ? []
    : ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'];
}

/** How names of a kind are checked; a generated name's prefix may end in what the suffix will complete. */
export function nameErrors(check: (value: string) => string[], name: string, isPrefix: boolean): string[] {
  return check(isPrefix ? name.replace(/-+$/, 'a') : name);
}

/** Path segments: RBAC names and the like may be anything that fits a URL. */
export function pathSegmentErrors(value: string): string[] {
  if (value === '.') return ["may not be '.'"];
  if (value === '..') return ["may not be '..'"];
  const errors: string[] = [];
  if (value.includes('/')) errors.push("may not contain '/'");
  if (value.includes('%')) errors.push("may not contain '%'");
  return errors;
}
