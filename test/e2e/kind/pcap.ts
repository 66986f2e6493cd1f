/** Reads capture files as `tcpdump -w` writes them (draft-ietf-opsawg-pcap), as far as TCP over IPv4 on Ethernet goes. */

export interface Segment {
  readonly source: Address;
  readonly target: Address;
  readonly payload: Buffer;
}

export interface Address {
  readonly ip: string;
  readonly port: number;
}

const MAGIC = 0xa1b2c3d4;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET = 1;
const ETHERNET_HEADER_BYTES = 14;
const IPV4 = 0x0800;
const TCP = 6;

/**
 * All segments that carry bytes, in the order of the capture. A record that was cut off at the end is left out; so is what is not TCP
 * over IPv4.
 * @throws Error when it is no capture file of Ethernet frames.
 */
export function tcpSegments(file: Buffer): readonly Segment[] {
  if (file.length < FILE_HEADER_BYTES || file.readUInt32LE(0) !== MAGIC)
    throw new Error('no capture file of this byte order');
  const linkType = file.readUInt32LE(20);
  if (linkType !== ETHERNET) throw new Error(`link type ${linkType}: only Ethernet (1) is understood`);
  const segments: Segment[] = [];
  let at = FILE_HEADER_BYTES;
  while (at + RECORD_HEADER_BYTES <= file.length) {
    const start = at + RECORD_HEADER_BYTES;
    const end = start + file.readUInt32LE(at + 8);
    if (end > file.length) break;
    const segment = segmentOf(file.subarray(start, end));
    if (segment !== undefined && segment.payload.length > 0) segments.push(segment);
    at = end;
  }
  return segments;
}

function segmentOf(frame: Buffer): Segment | undefined {
  if (frame.length < ETHERNET_HEADER_BYTES || frame.readUInt16BE(12) !== IPV4) return undefined;
  const packet = frame.subarray(ETHERNET_HEADER_BYTES);
  if (packet.length < 20 || packet[9] !== TCP) return undefined;
  const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
  // Ethernet pads short frames: the packet's own length counts.
  const tcp = packet.subarray(headerBytes, packet.readUInt16BE(2));
  if (tcp.length < 20) return undefined;
  return {
    source: { ip: ipAt(packet, 12), port: tcp.readUInt16BE(0) },
    target: { ip: ipAt(packet, 16), port: tcp.readUInt16BE(2) },
    payload: tcp.subarray(((tcp[12] ?? 0) >> 4) * 4),
  };
}

function ipAt(packet: Buffer, offset: number): string {
  return [...packet.subarray(offset, offset + 4)].join('.');
}
