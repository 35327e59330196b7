// A consumer's configuration as wg-quick and WireGuard's apps read it. Knows no netlink.

export type Profile = Readonly<{
  /** Base64; null: the consumer has a key of its own. */
  secret: string | null;
  address4: string;
  address6: string;
  dns: readonly string[];
  mtu: number;
  /** The router's public key. */
  key: string;
  endpoint: string;
}>;

export function render(p: Profile): string {
  return [
    '[Interface]',
    p.secret === null ? '# PrivateKey = (of the key that was given)' : `PrivateKey = ${p.secret}`,
    `Address = ${p.address4}/32, ${p.address6}/128`,
    ...(p.dns.length === 0 ? [] : [`DNS = ${p.dns.join(', ')}`]),
    `MTU = ${p.mtu}`,
    '',
    '[Peer]',
    `PublicKey = ${p.key}`,
    'AllowedIPs = 0.0.0.0/0, ::/0',
    `Endpoint = ${p.endpoint}`,
    // Whoever sits behind a router is forgotten there after half a minute.
    'PersistentKeepalive = 25',
    '',
  ].join('\n');
}
