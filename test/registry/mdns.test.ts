import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { deflateSync } from 'node:zlib';
import { encode, type Answer } from 'dns-packet';
import fc from 'fast-check';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { MdnsRegistry, type MdnsOptions } from '../../src/registry/mdns.js';
import { Neighbours } from '../../src/registry/mdns/neighbours.js';
import { Outbox } from '../../src/registry/mdns/outbox.js';
import {
  announcePacket,
  heard,
  heardIn,
  Names,
  nodeRecords,
  readPacket,
  type Heard,
} from '../../src/registry/mdns/packets.js';
import { packPayload, Unpacker } from '../../src/registry/mdns/payload.js';
import { Questions } from '../../src/registry/mdns/questions.js';
import { SeenNodes } from '../../src/registry/mdns/seen-nodes.js';
import type { Node, ServiceRecord } from '../../src/registry/registry.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { parts } from '../support/parts.js';
import { freeUdpPort } from '../support/udp-port.js';

const GROUP = '224.0.0.251';
const GREETER: ServiceRecord = {
  name: 'greeter',
  version: '1',
  metadata: {},
  endpoints: [],
  nodes: [{ id: 'greeter-1', address: '127.0.0.1:4001', metadata: { protocol: 'mucp' } }],
};

async function withRegistry(
  run: (registry: MdnsRegistry, port: number) => Promise<void>,
  options: MdnsOptions = {},
): Promise<void> {
  const port = options.port ?? (await freeUdpPort());
  const registry = new MdnsRegistry({ interfaces: ['127.0.0.1'], port, ...options }, parts());
  await registry.start();
  const alive = setInterval(() => {}, 1_000);
  try {
    await run(registry, port);
  } finally {
    clearInterval(alive);
    await registry.stop();
  }
}

/** Sends these packets to the group, and resolves when they have left. */
async function shout(port: number, packets: readonly Uint8Array[]): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind(0);
  await once(socket, 'listening');
  socket.setMulticastInterface('127.0.0.1');
  for (const packet of packets)
    await new Promise<void>((resolve) => socket.send(packet, port, GROUP, () => resolve()));
  socket.close();
}

/** Resolves when nobody else has the port. */
async function exclusively(port: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind({ port, exclusive: true });
  await once(socket, 'listening');
  await new Promise<void>((resolve) => socket.close(resolve));
}

/** The next node that is told of to the group and of which this holds. */
async function heardOnGroup(port: number, holds: (heard: Heard) => boolean): Promise<Heard> {
  const ear = createSocket({ type: 'udp4', reuseAddr: true });
  ear.bind(port);
  await once(ear, 'listening');
  ear.addMembership(GROUP, '127.0.0.1');
  return new Promise((resolve) => {
    ear.on('message', (bytes) => {
      const packet = readPacket(bytes);
      const found = packet && heardIn(packet, new Names('micro')).find(holds);
      if (found === undefined) return;
      ear.close();
      resolve(found);
    });
  });
}

function header(questions: number, answers: number): string {
  return `0000 8400 ${questions.toString(16).padStart(4, '0')} ${answers.toString(16).padStart(4, '0')} 0000 0000`;
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

const MALFORMED: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(0),
  'one byte': Uint8Array.of(0),
  'a header alone that promises questions': hex(header(9, 9)),
  'a name that points at itself': hex('0000 0000 0001 0000 0000 0000 c00c 000c 0001'),
  'names that point at each other': hex('0000 8400 0001 0000 0000 0000 c00e c00c 000c 0001'),
  'a record that is cut off': hex(
    `${header(0, 1)} 07 67726565746572 05 6d6963726f 00 0010 0001 00000078 00ff 61`,
  ),
  'a length beyond the packet': hex(`${header(0, 1)} 3f 6772`),
  '64 KB of zeros': new Uint8Array(60_000),
  '64 KB of 0xff': new Uint8Array(60_000).fill(255),
};

describe('the mdns registry', () => {
  for (const [what, packet] of Object.entries(MALFORMED))
    it(`lives on after ${what}`, () =>
      withRegistry(async (registry, port) => {
        await registry.register(GREETER);
        await shout(port, [packet, packet]);
        assert.deepEqual(await registry.getService('greeter'), [GREETER]);
      }));

  it('lives on after 64 KB of answers that nobody asked for', () =>
    withRegistry(async (registry, port) => {
      await registry.register(GREETER);
      const answers = Array.from({ length: 1_500 }, (_, n): Answer => ({
        name: `n${n}.other.micro`,
        type: 'A',
        ttl: 1,
        data: '127.0.0.1',
      }));
      await shout(port, [encode({ type: 'response', answers })]);
      assert.deepEqual(await registry.getService('greeter'), [GREETER]);
    }));

  it('does not hear of services of another domain, nor they of its own', async () => {
    const port = await freeUdpPort();
    await withRegistry(
      (registry) =>
        withRegistry(
          async (other) => {
            const changes = registry.watch()[Symbol.asyncIterator]();
            await other.register(GREETER);
            assert.deepEqual(await registry.getService('greeter'), []);
            assert.deepEqual(await registry.listServices(), []);
            await registry.register({ ...GREETER, version: '2' });
            const { value } = await changes.next();
            assert.equal(value?.service.version, '2');
          },
          { port, domain: 'other' },
        ),
      { port },
    );
  });

  it('says which name a DNS packet cannot hold, and what to do', () =>
    withRegistry(async (registry) => {
      const node = { id: 'x'.repeat(64), address: '127.0.0.1:1', metadata: {} };
      await assert.rejects(
        registry.register({ ...GREETER, nodes: [node] }),
        (error) =>
          error instanceof OctavoError &&
          error.code === 'invalid_argument' &&
          /63 bytes.*shorter/.test(error.message),
      );
    }));

  it('leaves the schemas of endpoints out when they do not fit, and says so', async () => {
    const { clock, logger } = parts();
    const registry = new MdnsRegistry(
      { interfaces: ['127.0.0.1'], port: await freeUdpPort() },
      { clock, logger },
    );
    await registry.start();
    const random = (length: number): string =>
      Array.from({ length }, () => Math.random().toString(36)).join('');
    const endpoints = Array.from({ length: 50 }, (_, n) => ({
      name: `Greeter.Method${n}`,
      request: { name: random(20), type: 'x', values: [] },
      metadata: {},
    }));
    await registry.register({ ...GREETER, endpoints });
    const [found] = await registry.getService('greeter');
    assert.deepEqual(
      found?.endpoints.map(({ request }) => request),
      endpoints.map(() => undefined),
    );
    assert.ok(logger.records.some(({ level, message }) => level === 'warn' && message.includes('schemas')));
    await registry.stop();
  });

  it('says that there is no interface for multicast, and names another registry', async () => {
    const registry = new MdnsRegistry({ interfaces: ['203.0.113.1'], port: await freeUdpPort() }, parts());
    await assert.rejects(
      registry.start(),
      (error) =>
        error instanceof OctavoError &&
        error.code === 'unavailable' &&
        error.message.includes('MICRO_REGISTRY=memory'),
    );
    await registry.stop();
  });

  it('registers all nodes of a record or none', () =>
    withRegistry(async (registry) => {
      const named = { id: 'greeter-2', address: 'example.com:1', metadata: {} };
      await assert.rejects(
        registry.register({ ...GREETER, nodes: [...GREETER.nodes, named] }),
        (error) => error instanceof OctavoError && error.code === 'invalid_argument',
      );
      await assert.rejects(registry.register({ ...GREETER, version: 'v'.repeat(256) }), /shorter/);
      assert.deepEqual(await registry.getService('greeter'), []);
    }));

  it('opens its sockets once, however often it is started, and closes them all', async () => {
    const port = await freeUdpPort();
    const registry = new MdnsRegistry({ interfaces: ['127.0.0.1'], port }, parts());
    await Promise.all([registry.start(), registry.start(), registry.stop(), registry.start()]);
    await registry.register(GREETER);
    assert.deepEqual(await registry.getService('greeter'), [GREETER]);
    await Promise.all([registry.stop(), registry.stop()]);
    await exclusively(port);
    const without = new MdnsRegistry({ interfaces: ['203.0.113.1', '127.0.0.1:1'], port }, parts());
    const starts = await Promise.allSettled([without.start(), without.start()]);
    assert.deepEqual(
      starts.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await exclusively(port);
  });

  it('goes on with the interfaces there are, and says which it cannot use', async () => {
    const { clock, logger } = parts();
    const interfaces = ['203.0.113.1', '127.0.0.1'];
    const registry = new MdnsRegistry({ interfaces, port: await freeUdpPort() }, { clock, logger });
    await registry.start();
    await registry.stop();
    const warned = logger.records.filter(({ level }) => level === 'warn');
    assert.deepEqual(
      warned.map(({ fields }) => fields?.['address']),
      ['203.0.113.1'],
    );
  });

  it('does not believe others about its own nodes, and says that they are there', () =>
    withRegistry(async (registry, port) => {
      await registry.register(GREETER);
      const changes = registry.watch()[Symbol.asyncIterator]();
      const announced = heardOnGroup(port, (each) => !each.goodbye);
      const [self] = GREETER.nodes;
      assert.ok(self !== undefined);
      const moved = { ...self, address: '127.0.0.1:6666' };
      const packet = (node: Node, goodbye: boolean): Buffer =>
        announcePacket({ service: GREETER, node }, new Names('micro'), 'vm', goodbye);
      await shout(port, [packet(self, true)]);
      assert.deepEqual((await announced).node, self);
      await shout(port, [packet(moved, false)]);
      assert.deepEqual(await registry.getService('greeter'), [GREETER]);
      await registry.register({ ...GREETER, name: 'last' });
      assert.equal((await changes.next()).value?.service.name, 'last');
      await changes.return?.();
    }));

  it('reports that a node is gone which does not answer any more, and that it is back', () =>
    withRegistry(async (registry, port) => {
      const changes = registry.watch()[Symbol.asyncIterator]();
      const [node] = GREETER.nodes;
      assert.ok(node !== undefined);
      const packet = announcePacket({ service: GREETER, node }, new Names('micro'), 'vm', false);
      for (let n = 0; n < 2; n++) {
        await shout(port, [packet]);
        const { value: came } = await changes.next();
        assert.deepEqual([came?.action, came?.service], ['create', GREETER]);
        assert.deepEqual(await registry.getService('greeter'), []);
        const { value: went } = await changes.next();
        assert.deepEqual([went?.action, went?.service.nodes[0]?.id], ['delete', 'greeter-1']);
      }
      await changes.return?.();
    }));

  it('tells another of a thousand nodes, given the time to read them', async () => {
    const port = await freeUdpPort();
    await withRegistry(
      (registry) =>
        withRegistry(
          async (other) => {
            const nodes = Array.from({ length: 1_000 }, (_, n) => ({
              ...GREETER.nodes[0]!,
              id: `greeter-${n}`,
            }));
            await registry.register({ ...GREETER, nodes });
            const counts: number[] = [];
            while (counts.length < 10 && counts.at(-1) !== 1_000)
              counts.push((await other.getService('greeter')).flatMap((each) => each.nodes).length);
            assert.equal(counts.at(-1), 1_000, counts.join());
          },
          { port, timeoutMs: 2_000 },
        ),
      { port },
    );
  });

  it('says goodbye when it stops', async () => {
    const port = await freeUdpPort();
    await withRegistry(
      async (watching) => {
        const changes = watching.watch()[Symbol.asyncIterator]();
        await withRegistry((registry) => registry.register(GREETER), { port });
        const actions = [(await changes.next()).value?.action, (await changes.next()).value?.action];
        assert.deepEqual(actions, ['create', 'delete']);
      },
      { port },
    );
  });

  it('asks once for many who ask at once', () =>
    withRegistry(async (registry, port) => {
      let questions = 0;
      const ear = createSocket({ type: 'udp4', reuseAddr: true });
      ear.bind(port);
      await once(ear, 'listening');
      ear.addMembership(GROUP, '127.0.0.1');
      ear.on('message', (bytes) => {
        if (readPacket(bytes)?.questions?.some(({ name }) => name === 'nobody.micro')) questions++;
      });
      await Promise.all(Array.from({ length: 50 }, () => registry.getService('nobody')));
      ear.close();
      assert.equal(questions, 1);
    }));
});

describe('a payload', () => {
  it('is read as it was written, and whatever the case of its names', () => {
    const payload = {
      service: 'greeter',
      version: '1',
      metadata: { a: 'é' },
      endpoints: [{ name: 'A.B', metadata: {} }],
    };
    assert.deepEqual(new Unpacker().unpack(packPayload(payload).map((each) => Buffer.from(each))), payload);
    assert.ok(
      packPayload({ ...payload, metadata: { a: 'x'.repeat(5_000) } }).every((each) => each.length <= 255),
    );
    const other = deflateSync('{"service":"s","VERSION":"v","metadata":null,"endpoints":null}')
      .toString('hex')
      .toUpperCase();
    assert.deepEqual(new Unpacker().unpack([Buffer.from(other)]), {
      service: 's',
      version: 'v',
      metadata: {},
      endpoints: [],
    });
  });

  it('has no nulls, which Go writes for what it has not', () => {
    const go =
      '{"Service":"s","Version":"1","Metadata":null,"Endpoints":[{"name":"A.B","metadata":null,"request":null,"response":{"name":"R","type":"R","values":null}}]}';
    assert.deepEqual(new Unpacker().unpack([Buffer.from(deflateSync(go).toString('hex'))])?.endpoints, [
      { name: 'A.B', response: { name: 'R', type: 'R', values: [] }, metadata: {} },
    ]);
  });

  it('with shapes that are nested without end is cut, so that nobody recurses into it', () => {
    const shape = '{"name":"a","type":"b","values":['.repeat(1_500) + ']}'.repeat(1_500);
    const json = `{"Service":"s","Version":"1","Endpoints":[{"name":"A.B","request":${shape}}]}`;
    const payload = new Unpacker().unpack([Buffer.from(deflateSync(json).toString('hex'))]);
    assert.equal(JSON.stringify(payload?.endpoints).match(/values/g)?.length, 8);
  });

  it('that is a bomb is none', () => {
    const bomb = deflateSync(Buffer.alloc(20 * 1024 * 1024, '1')).toString('hex');
    assert.equal(new Unpacker().unpack([Buffer.from(bomb)]), undefined);
  });

  for (const text of [
    '',
    'zz',
    '0',
    '789c',
    deflateSync('[]').toString('hex'),
    deflateSync('{"Service":"x"}').toString('hex'),
    deflateSync('{').toString('hex'),
  ])
    it(`${JSON.stringify(text.slice(0, 20))} is none`, () => {
      assert.equal(new Unpacker().unpack([Buffer.from(text)]), undefined);
    });
});

describe('a packet', () => {
  const names = new Names('micro');

  it('with more records than a packet of ours has is none', () => {
    const answers = Array.from({ length: 257 }, (): Answer => ({ name: 'a', type: 'A', data: '127.0.0.1' }));
    assert.equal(readPacket(encode({ type: 'response', answers })), undefined);
    assert.notEqual(readPacket(encode({ type: 'response', answers: answers.slice(1) })), undefined);
  });

  it('with many bombs is unpacked as far as it costs little', () => {
    const json = `{"Service":"greeter","Version":"1","Endpoints":[${'{"name":"a"},'.repeat(8_000)}{}]}`;
    const hex = deflateSync(json).toString('hex');
    const nodes = Array.from({ length: 16 }, (_, n): Answer[] => [
      { name: `n${n}.greeter.micro`, type: 'SRV', data: { port: 1, target: 'vm' } },
      { name: `n${n}.greeter.micro`, type: 'TXT', data: hex.match(/.{1,255}/g) ?? [] },
    ]);
    const answers: Answer[] = [{ name: 'vm', type: 'A', data: '127.0.0.1' }, ...nodes.flat()];
    const packet = readPacket(encode({ type: 'response', answers }));
    assert.ok(packet !== undefined);
    assert.equal(heardIn(packet, names).length, 1);
  });

  it('with many nodes is read as far as it costs little', () => {
    const announcement = { service: GREETER, node: GREETER.nodes[0]! };
    const [srv, ...rest] = nodeRecords(names, announcement, 'vm');
    assert.ok(srv !== undefined);
    const answers = [...rest, ...Array.from({ length: 100 }, () => srv)];
    const packet = readPacket(encode({ type: 'response', answers }));
    assert.ok(packet !== undefined);
    assert.equal(heardIn(packet, names).length, 16);
  });

  it('of any bytes is read or is none, and never crashes', () => {
    const real = announcePacket({ service: GREETER, node: GREETER.nodes[0]! }, names, 'vm', false);
    const damaged = fc
      .array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { maxLength: 8 })
      .map((changes) => {
        const bytes = Buffer.from(real);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    const any = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(any, damaged), (bytes) => {
        const packet = readPacket(bytes);
        if (packet !== undefined) heardIn(packet, names);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('what others send', () => {
  const told = (id: string, metadata = {}): Heard =>
    heard({ service: { ...GREETER, nodes: [] }, node: { id, address: '127.0.0.1:1', metadata } }, false);

  it('takes a bounded part of memory while a question is open', async () => {
    const clock = new VirtualClock();
    const questions = new Questions(clock, 100);
    const asked = questions.ask('greeter.micro', () => {});
    const big = { big: 'x'.repeat(1024 * 1024) };
    for (let n = 0; n < 50; n++) questions.heard('greeter.micro', told(`${n}`, big));
    questions.heard('greeter.micro', told('0', big));
    questions.listed(
      'greeter.micro',
      Array.from({ length: 20_000 }, (_, n) => `${n}`),
    );
    await clock.advance(100);
    const { heard: kept, listed } = await asked;
    assert.equal(kept.size, 31);
    assert.equal(listed.size, 10_000);
    questions.heard('greeter.micro', told('late'));
    assert.ok(!kept.has('late'));
  });

  it('is remembered of 10,000 nodes', () => {
    const changes: string[] = [];
    const seen = new SeenNodes(new VirtualClock(), ({ action }) => changes.push(action));
    for (let n = 0; n < 10_001; n++) seen.hear(told(`${n}`), false);
    changes.length = 0;
    for (const id of ['10000', '1', '0']) seen.hear(told(id), false);
    assert.deepEqual(changes, ['create']);
  });

  it('is answered a few packets at a time, and not without end', async () => {
    let sent = 0;
    const clock = new VirtualClock();
    const outbox = new Outbox(clock, () => sent++);
    const to = { address: '127.0.0.1', family: 'IPv4', port: 1, size: 0 } as const;
    for (let n = 0; n < 100_000; n++) outbox.put(Buffer.alloc(1), to);
    assert.ok(outbox.full);
    await clock.advance(0);
    assert.equal(sent, 16);
    await clock.advance(9);
    assert.equal(sent, 160);
    await clock.advance(1_000);
    assert.equal(sent, 10_000);
    outbox.put(Buffer.alloc(1), to);
    await clock.advance(0);
    assert.equal(sent, 10_001);
  });

  it('counts where it comes from a network that is used', () => {
    const all = new Neighbours(undefined, new VirtualClock());
    const loopback = new Neighbours(['127.0.0.1'], new VirtualClock());
    for (const each of [all, loopback]) {
      for (const address of ['127.0.0.1', '127.0.0.9', '::1', '0.0.0.0'])
        assert.ok(each.isNear(address) && each.isHere(address));
      for (const address of ['203.0.113.9', '2001:db8::1', 'fe80::1%nowhere', 'nonsense', ''])
        assert.ok(!each.isHere(address));
      assert.ok(!each.isNear('203.0.113.9') && !each.isNear('2001:db8::1'));
    }
  });
});
