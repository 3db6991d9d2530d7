import { BlockList, isIP } from 'node:net';
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import type { Clock } from '../../core/clock.js';

/** For how long the machine's addresses are taken to be the same, in milliseconds. */
const SAME_MS = 1_000;

interface Surroundings {
  readonly here: BlockList;
  readonly near: BlockList;
  readonly until: number;
}

/**
 * Who is on this machine, and who is on a network that is used.
 *
 * Others are not listened to: multicast does not come from afar, and answers to an address that somebody made up would flood it. Source: RFC 6762 section 11.
 */
export class Neighbours {
  readonly #interfaces: readonly string[] | undefined;
  readonly #clock: Clock;
  #seen: Surroundings | undefined;

  /** @param interfaces addresses of those that are used; all without it */
  constructor(interfaces: readonly string[] | undefined, clock: Clock) {
    this.#interfaces = interfaces?.map(withoutZone);
    this.#clock = clock;
  }

  /** Whether an address is one of this machine's. */
  isHere(address: string): boolean {
    return has(this.#now().here, address);
  }

  /** Whether an address is on a network that is used, or on this machine. */
  isNear(address: string): boolean {
    return has(this.#now().near, address) || this.isHere(address);
  }

  #now(): Surroundings {
    const now = this.#clock.now();
    if (this.#seen === undefined || this.#seen.until <= now) this.#seen = this.#look(now + SAME_MS);
    return this.#seen;
  }

  #look(until: number): Surroundings {
    const here = new BlockList();
    const near = new BlockList();
    here.addSubnet('127.0.0.0', 8, 'ipv4');
    here.addAddress('::1', 'ipv6');
    // So comes what was sent where loopback is all there is.
    here.addAddress('0.0.0.0', 'ipv4');
    for (const addresses of Object.values(networkInterfaces())) {
      const used = this.#interfaces?.some((one) => addresses?.some(({ address }) => address === one));
      for (const each of addresses ?? []) {
        here.addAddress(each.address, familyOf(each));
        const prefix = Number(each.cidr?.split('/')[1]);
        if (used !== false && Number.isInteger(prefix)) near.addSubnet(each.address, prefix, familyOf(each));
      }
    }
    return { here, near, until };
  }
}

function familyOf({ family }: NetworkInterfaceInfo): 'ipv4' | 'ipv6' {
  return family === 'IPv6' ? 'ipv6' : 'ipv4';
}

function has(list: BlockList, address: string): boolean {
  const plain = withoutZone(address);
  return isIP(plain) !== 0 && list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
}

function withoutZone(address: string): string {
  return address.split('%')[0] ?? address;
}
