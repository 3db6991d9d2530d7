import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { deflateSync } from 'node:zlib';
import { encode, type Answer } from 'dns-packet';
import fc from 'fast-check';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { MdnsRegistry, type MdnsOptions } from '../../src/registry/mdns.js';
import { announcePacket, heardIn, Names, nodeRecords, readPacket } from '../../src/registry/mdns/packets.js';
import { packPayload, Unpacker } from '../../src/registry/mdns/payload.js';
import type { ServiceRecord } from '../../src/registry/registry.js';
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
    const shape = '{"name":"a","type":"b","values":['.repeat(3_000) + ']}'.repeat(3_000);
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
