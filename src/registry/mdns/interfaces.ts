import { isIP } from 'node:net';
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';

/** IPv4 or IPv6. */
export type Family = 4 | 6;

/** One interface by one family of addresses. */
export interface Way {
  readonly family: Family;
  readonly address: string;
  /** How a socket names the interface. */
  readonly join: string;
}

/** The ways to those addresses; without any, loopback by IPv4 and every other interface by what it has. */
export function ways(addresses: readonly string[] | undefined): readonly Way[] {
  const all = Object.entries(networkInterfaces());
  if (addresses !== undefined)
    return addresses.map((address) => {
      if (isIP(address) !== 6) return { family: 4, address, join: address };
      const [plain, zone] = address.split('%');
      const [name, infos] = all.find(([, each]) => each?.some((one) => one.address === plain)) ?? [];
      return { family: 6, address, join: `::%${zone ?? zoneOf(name, infos)}` };
    });
  const outside = all.flatMap(([name, infos]): Way[] => {
    const used = (infos ?? []).filter(({ internal }) => !internal);
    const four = used.filter(({ family }) => family === 'IPv4');
    const [six] = used.filter(({ family }) => family === 'IPv6');
    const byFour = four.map(({ address }): Way => ({ family: 4, address, join: address }));
    return six === undefined
      ? byFour
      : [...byFour, { family: 6, address: six.address, join: `::%${zoneOf(name, used)}` }];
  });
  return [{ family: 4, address: '127.0.0.1', join: '127.0.0.1' }, ...outside];
}

/** Windows names interfaces by number. */
function zoneOf(name: string | undefined, infos: readonly NetworkInterfaceInfo[] | undefined): string {
  if (process.platform !== 'win32') return name ?? '';
  const scoped = infos?.find(({ scopeid }) => scopeid !== undefined && scopeid > 0);
  return `${scoped?.scopeid ?? ''}`;
}
