// What tells this router from every other: model, name, and the hardware addresses it was made with. Knows neither kernel nor bus.

/** `addresses`: the one it is best known by first; none where it cannot be known, as in a container. */
export type Nameplate = Readonly<{ model: string; name: string; addresses: readonly string[] }>;

/** A link of the kernel's. `permanent`: nobody can set it, and none that was drawn at random is one. `bus`: of the device it is. */
export type Port = Readonly<{ index: number; permanent?: Uint8Array; bus?: string }>;

/** Bridges, VLANs and tunnels are on no bus. What is built in is there before what comes with the configuration, as radios do, and what is
 *  plugged in goes last: it may be gone tomorrow, or on another router. */
export function addressesOf(ports: readonly Port[]): readonly string[] {
  const plugged = ({ bus }: Port): number => (bus === 'usb' ? 1 : 0);
  const known = [...ports]
    .sort((a, b) => plugged(a) - plugged(b) || a.index - b.index)
    .flatMap(({ bus, permanent }) => (bus === undefined || permanent?.length !== 6 ? [] : [render(permanent)]));
  // The ports of a switch share one.
  return [...new Set(known)];
}

const render = (address: Uint8Array): string => [...address].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

/** What a key may be bound to here: to the first when it is made; any of them shows later that this is the same router, so that a card
 *  more is no other one. Model and name count only where there is no address: anybody's copy would fit them. */
export type Bonds = readonly [best: string, ...others: string[]];

export function bondsOf({ model, name, addresses: [best, ...others] }: Nameplate): Bonds {
  const head = `${model}\n${name}\n`;
  return best === undefined ? [head] : [`${head}${best}\n`, ...others.map((address) => `${head}${address}\n`)];
}
