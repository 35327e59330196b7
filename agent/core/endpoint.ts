// Where a consumer's WireGuard calls: a name or an address, and a port. Text ↔ value. Knows no WireGuard.

import * as ip from './ip.ts';

/** `port` null: the tunnel's own. */
export type Endpoint = Readonly<{ host: string; port: number | null }>;

const name = /^(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** HOST, HOST:PORT, and an IPv6 address with a port in brackets. */
export function parse(text: string): Endpoint | null {
  const whole = ip.parseAddress(text);
  if (whole.ok) return { host: ip.renderAddress(whole.value), port: null };
  const [, six, host = six, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:]+))(?::([1-9]\d{0,4}))?$/.exec(text) ?? [];
  if (host === undefined || (port !== undefined && Number(port) > 65_535)) return null;
  const address = ip.parseAddress(host);
  if (six !== undefined ? !address.ok || ip.isV4(address.value) : !address.ok && !name.test(host)) return null;
  return { host: address.ok ? ip.renderAddress(address.value) : host, port: port === undefined ? null : Number(port) };
}

export const render = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
