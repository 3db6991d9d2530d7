// What test/registry/mdns-ipv6.test.ts runs in a network of its own, whose interface v0 has the address fe80::1 and nothing of IPv4.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { OctavoError } from '../../src/core/error.js';
import { heardIn, Names, readPacket } from '../../src/registry/mdns/packets.js';
import { MdnsRegistry, type MdnsOptions } from '../../src/registry/mdns.js';
import type { ServiceRecord } from '../../src/registry/registry.js';
import { parts } from '../support/parts.js';

const GREETER: ServiceRecord = {
  name: 'greeter',
  version: '1',
  metadata: {},
  endpoints: [],
  nodes: [{ id: 'greeter-1', address: '[fd00::1]:4001', metadata: {} }],
};

function registry(options: MdnsOptions = {}): MdnsRegistry {
  return new MdnsRegistry({ port: 45_353, ...options }, parts());
}

export const scenes = {
  async found() {
    const interfaces = ['fe80::1'];
    const [one, other] = [registry({ interfaces }), registry({ interfaces })];
    await Promise.all([one.start(), other.start()]);
    const changes = other.watch()[Symbol.asyncIterator]();
    await one.register(GREETER);
    const { value: came } = await changes.next();
    const found = await other.getService('greeter');
    const listed = await other.listServices();
    await one.stop();
    const { value: went } = await changes.next();
    await other.stop();
    return { came: came?.action, found, listed, went: went?.action };
  },
  /** Without being told, it uses IPv6 too. */
  async everywhere() {
    const ear = createSocket({ type: 'udp6', reuseAddr: true, ipv6Only: true });
    // Bound to the group, it hears no other.
    ear.bind(45_353, 'ff02::fb%v0');
    await once(ear, 'listening');
    ear.addMembership('ff02::fb', '::%v0');
    const one = registry();
    await one.start();
    await one.register(GREETER);
    for (;;) {
      const [bytes] = (await once(ear, 'message')) as [Buffer];
      const packet = readPacket(bytes);
      const [heard] = packet === undefined ? [] : heardIn(packet, new Names('micro'));
      if (heard === undefined) continue;
      ear.close();
      await one.stop();
      return heard.node;
    }
  },
  /** Two that use whatever there is. */
  async plain() {
    const [one, other] = [registry(), registry()];
    await Promise.all([one.start(), other.start()]);
    await one.register(GREETER);
    const found = await other.getService('greeter');
    await Promise.all([one.stop(), other.stop()]);
    return found;
  },
  async refused() {
    const one = registry();
    try {
      await one.start();
      return 'started';
    } catch (error) {
      return error instanceof OctavoError ? `${error.code}: ${error.message}` : String(error);
    } finally {
      await one.stop();
    }
  },
} satisfies Readonly<Record<string, () => Promise<unknown>>>;
