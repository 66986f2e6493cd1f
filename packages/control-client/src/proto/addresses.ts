/** Addresses and durations of messages as text and milliseconds. */
import { formatIp } from '@mesh/model';
import type { Duration, net } from '@mesh/proxy-api';

/** The literal, or `undefined` when the message holds no address. IPv4-mapped version 6 addresses are not reduced. */
export function ipText(address: net.IPAddress | undefined): string | undefined {
  const ip = address?.ip;
  if (ip === undefined) return undefined;
  const bytes = new Uint8Array(ip.$case === 'ipv4' ? 4 : 16);
  const view = new DataView(bytes.buffer);
  if (ip.$case === 'ipv4') view.setUint32(0, ip.value);
  else {
    view.setBigUint64(0, ip.value.first);
    view.setBigUint64(8, ip.value.last);
  }
  return formatIp(bytes);
}

export function milliseconds(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}
