import { BlockList, isIP, isIPv6 } from 'node:net';

const MAPPED_IPV4 = /^(?:0{0,4}:){0,5}:?ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
/** As an engine may write it: all groups in hexadecimal. */
const MAPPED_IPV4_HEX = /^(?:0{1,4}:){5}ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i;

/** An IPv4 address that came over an IPv6 socket is written as what it is. */
export function plainAddress(ip: string): string {
  const mapped = MAPPED_IPV4.exec(ip)?.[1];
  if (mapped !== undefined) return mapped;
  const hex = MAPPED_IPV4_HEX.exec(ip);
  if (hex === null) return ip;
  const [high, low] = [Number.parseInt(hex[1] ?? '0', 16), Number.parseInt(hex[2] ?? '0', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function groupsOf(part: string | undefined): string[] {
  return part === undefined || part === '' ? [] : part.split(':');
}

/** What connections and frames are counted by. An IPv6 customer has a /64 at least: single addresses would count nothing. */
export function addressKey(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const [left, right] = (ip.split('%')[0] ?? '').split('::');
  const [head, tail] = [groupsOf(left), groupsOf(right)];
  const zeros = right === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const groups = [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}

/** Proxies of ours, whose `X-Forwarded-For` is believed. @returns null when a range cannot be read. */
export function proxyList(ranges: readonly string[]): BlockList | null {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const prefix = bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits);
    const isPrefix = Number.isInteger(prefix) && prefix >= 0 && prefix <= (family === 'ipv6' ? 128 : 32);
    if (isIP(address) === 0 || bits === '' || !isPrefix) return null;
    list.addSubnet(address, prefix, family);
  }
  return list;
}

/**
 * The client's address: the peer's, or when the peer is a proxy of ours, the last one in `X-Forwarded-For` that is none.
 * What stands before that was written by the client itself and proves nothing.
 */
export function clientAddress(peer: string, forwardedFor: string | null, proxies: BlockList): string {
  const isProxy = (ip: string): boolean => isIP(ip) !== 0 && proxies.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
  let client = plainAddress(peer);
  if (forwardedFor === null || !isProxy(client)) return client;
  for (const name of forwardedFor.split(',').reverse()) {
    const ip = plainAddress(name.trim());
    if (isIP(ip) === 0) return client;
    client = ip;
    if (!isProxy(ip)) return client;
  }
  return client;
}
