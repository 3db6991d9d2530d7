import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { EMPTY } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { memory as memoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { rpc } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { FRAME, writeFrame, writeMessage } from '../../src/transport/bus/frame.js';
import { rabbitmq, type RabbitTransport } from '../../src/transport/rabbitmq.js';
import type { Socket } from '../../src/transport/transport.js';
import { Probe, ProbeClient, type Told } from '../conformance/probe.js';
import {
  ANY,
  bothEnds,
  call,
  echo,
  echoAll,
  fails,
  item,
  later,
  message,
  text,
} from '../conformance/transport/talk.js';
import { failure, timed, works } from '../support/nats-bench.js';
import { holdsForSharedAddresses } from '../support/shared-address.js';
import { startPeer } from '../support/peer-process.js';
import { RabbitBench } from '../support/rabbit-bench.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { RawRabbit } from '../support/raw-rabbit.js';
import type { ServerProcess } from '../support/server-process.js';

const QUICK = { keepaliveMs: 100 };

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start();
});
after(() => server.stop());

const withBench = (run: (bench: RabbitBench) => Promise<void>): Promise<void> =>
  RabbitBench.with(server, run);

async function withPeer(run: (bench: RabbitBench, peer: ServerProcess) => Promise<void>): Promise<void> {
  await withBench(async (bench) => {
    const peer = await startPeer('rabbitmq', server.address, 'probe');
    try {
      await run(bench, peer);
    } finally {
      await peer.kill();
    }
  });
}

/** A stream with the peer's Probe.Chat that waits for an answer, and how it ends. */
async function waiting(transport: RabbitTransport): Promise<{ readonly ended: Promise<Error> }> {
  const socket = await transport.dial('probe', { stream: true });
  const names = {
    'Micro-Service': 'probe',
    'Micro-Endpoint': 'Probe.Chat',
    'Micro-Stream': '1',
    Octavo: '1',
  };
  await socket.send({ header: new Metadata(names), body: EMPTY });
  assert.equal((await socket.receive())?.header.get('Octavo-Frame'), 'open');
  return { ended: failure(async () => socket.receive()) };
}

function options(world = new MemoryWorld()): ServiceOptions {
  return {
    transport: rabbitmq({ addresses: [server.address] }),
    registry: memoryRegistry({ world }),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  };
}

async function all(stream: AsyncIterable<Told>): Promise<string[]> {
  const said: string[] = [];
  for await (const { text: word, count } of stream) said.push(`${word} ${count}`);
  return said;
}

async function* asks(...counts: number[]): AsyncIterable<{ text: string; count: number }> {
  for (const count of counts) yield { text: 'item', count };
}

describe('a peer over rabbitmq', () => {
  it('in another process is called a thousand times at once, and streams in each of the ways', (t) =>
    withPeer(async () => {
      const client = createService({ name: 'caller', ...options() });
      await client.start();
      const probe = client.resolve(ProbeClient);
      const there = { address: 'probe' };
      try {
        const counts = Array.from({ length: 1_000 }, (_, n) => n);
        await probe.echo({ text: 'x', count: 0 }, there);
        const ms = await timed(async () => {
          const replies = await Promise.all(counts.map((count) => probe.echo({ text: 'x', count }, there)));
          assert.deepEqual(
            replies.map(({ count }) => count),
            counts,
          );
        });
        const single = await timed(async () => {
          for (let n = 0; n < 100; n++) await probe.echo({ text: 'x', count: n }, there);
        });
        t.diagnostic(
          `1,000 calls at once in ${Math.round(ms)} ms; one after the other ${(single / 100).toFixed(2)} ms each`,
        );
        assert.deepEqual(await all(probe.count({ text: 'n', count: 3 }, there)), ['n 1', 'n 2', 'n 3']);
        assert.equal((await probe.sum(asks(1, 2, 3), there)).count, 6);
        assert.deepEqual(await all(probe.chat(asks(1, 2), there)), ['item 1', 'item 2', 'goodbye 0']);
        const error = await failure(() => probe.fail({ text: 'details' }, there));
        assert.deepEqual([error.code, error.details], ['failed_precondition', [{ type: 'wait', forMs: 5 }]]);
      } finally {
        await client.stop();
      }
    }));

  it('that is killed ends its streams at the next sign of life, and no others', () =>
    withPeer(async (bench, peer) => {
      const transport = await bench.started(QUICK);
      const { near, far } = await bothEnds(transport);
      const { ended } = await waiting(transport);
      await peer.kill();
      const ms = await timed(async () => assert.match((await ended).message, /has gone/));
      assert.ok(ms < 2_000, `${ms} ms`);
      const peerless = { address: 'probe', close: async () => {} };
      const refused = await failure(() => call(transport, peerless, message('x')));
      assert.deepEqual([refused.code, refused.executed], ['unavailable', false]);
      await near.send(item('still here'));
      assert.equal(text(await far.receive()), 'still here');
    }));

  it('that is frozen is noticed, too, and it learns of that when it goes on', () =>
    withPeer(async (bench, peer) => {
      const transport = await bench.started(QUICK);
      const { ended } = await waiting(transport);
      await peer.pause();
      const ms = await timed(async () => assert.match((await ended).message, /no sign of life/));
      assert.ok(ms < 2_000, `${ms} ms`);
      await fails(() => transport.dial('probe', { timeoutMs: 50 }), 'deadline_exceeded');
      peer.resume();
      const stopping = await timed(() => peer.end());
      assert.ok(stopping < 5_000, `${stopping} ms`);
    }));

  it('of which one of two nodes drains loses no call, and nothing is left behind', async () => {
    const before = process.getActiveResourcesInfo().length;
    const world = new MemoryWorld();
    const nodes = [1, 2].map(() =>
      createService({ services: [Probe], server: rpc({ lingerMs: 50 }), ...options(world) }),
    );
    for (const node of nodes) await node.start();
    const client = createService({ name: 'caller', ...options(world) });
    await client.start();
    const probe = client.resolve(ProbeClient);
    let calls = 0;
    let on = true;
    const calling = (async () => {
      while (on) {
        await probe.echo({ text: 'x', count: calls });
        calls++;
      }
    })();
    while (calls < 50) await new Promise((resolve) => setImmediate(resolve));
    await nodes[0]?.stop();
    const seen = calls;
    while (calls < seen + 50) await new Promise((resolve) => setImmediate(resolve));
    on = false;
    await calling;
    for (let n = 0; n < 50; n++) {
      await probe.wait({}, { timeoutMs: 1 }).catch(() => {});
      for await (const _ of probe.count({ text: 'wait', count: 3 })) break;
    }
    await client.stop();
    await nodes[1]?.stop();
    const resources = (): number => process.getActiveResourcesInfo().length;
    for (let turn = 0; turn < 1_000 && resources() > before; turn++)
      await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(resources() <= before, `${resources()} where there were ${before}`);
  });
});

describe('a reader that is slow', () => {
  it('bloats neither end nor the server: a sender that is offered 200 MB waits', { timeout: 60_000 }, (t) =>
    withBench(async (bench) => {
      const [here, there] = [await bench.started(), await bench.started()];
      const accepted = later<Socket>();
      const { address } = await there.listen(ANY, accepted.resolve);
      const near = await here.dial(address, { stream: true });
      await near.send(item('open'));
      const far = await accepted.promise;
      const body = Buffer.alloc(64 * 1024);
      let sent = 0;
      let most = 0;
      const began = process.memoryUsage().rss;
      const until = performance.now() + 20_000;
      const sending = (async () => {
        while (sent < 3_200 && performance.now() < until) {
          await near.send(item(body));
          sent++;
          most = Math.max(most, process.memoryUsage().rss - began);
        }
        near.close();
      })();
      let read = 0;
      let queued = 0;
      while ((await far.receive()) !== undefined) {
        read++;
        if (read === 100) {
          const lines = (await server.control('list_queues', 'message_bytes')).split('\n');
          queued = lines.reduce((sum, line) => sum + (Number(line) || 0), 0);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await sending;
      t.diagnostic(
        `${sent} messages of 64 KiB, ${Math.round(most / 1024 / 1024)} MB more here, ${queued} bytes at the server`,
      );
      assert.equal(read, sent + 1);
      assert.ok(most < 100 * 1024 * 1024, `${Math.round(most / 1024 / 1024)} MB more after ${sent} messages`);
      assert.ok(queued < 4 * 1024 * 1024, `${queued} bytes wait at the server`);
    }),
  );

  it('is cut off when it does not read at all, in time', () =>
    withBench(async (bench) => {
      const transport = await bench.started({ timeoutMs: 200 });
      const { near, far } = await bothEnds(transport);
      while (!(near.send(item(Buffer.alloc(64 * 1024))) instanceof Promise));
      const error = await new Promise((resolve) => near.onClose(resolve));
      assert.match(String(error), /nobody read for 200 ms/);
      await new Promise<unknown>((resolve) => far.onClose(resolve));
    }));
});

describe('servers that share an address over rabbitmq', () => {
  it('are a queue group: all get calls, also who comes later, and none who has left', () =>
    withBench((bench) => holdsForSharedAddresses(() => bench.started({ shared: true, keepaliveMs: 50 }))));

  it('do so among themselves only', () =>
    withBench(async (bench) => {
      const [alone, shared] = [await bench.started(), await bench.started({ shared: true })];
      await alone.listen('alone', echo);
      assert.match(
        (await failure(() => shared.listen('alone', echo))).message,
        /the address alone is in use/,
      );
      await shared.listen('ours', echo);
      assert.match((await failure(() => alone.listen('ours', echo))).message, /the address ours is in use/);
    }));
});

describe('a peer that does not keep to the rules', () => {
  it('loses its link, and nobody else does, whatever it says and however', () =>
    withBench(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(ANY, echoAll);
      const raw = await RawRabbit.open(server.port);
      await raw.hear('stranger');
      const own = { replyTo: 'stranger', messageId: '1' };
      const hello = writeFrame(FRAME.hello, 0, Uint8Array.of(1));
      await raw.say(`${listener.address}.octavo`, hello, own);
      const { replyTo = '', messageId = '' } = await raw.next();
      await raw.say(replyTo, writeMessage(FRAME.message, 1, item('x')), { ...own, correlationId: messageId });
      // A frame that is not the next one in its number ends the link.
      await raw.say(replyTo, Uint8Array.of(1, 2, 3), { ...own, correlationId: messageId });
      assert.equal((await raw.next()).body[0], FRAME.gone);
      for (const to of [listener.address, `${listener.address}.octavo`, replyTo])
        for (const properties of [
          {},
          { replyTo: 'stranger' },
          { replyTo: 'a b', correlationId: 'c d' },
          { replyTo: '*', messageId: '#' },
          { replyTo: 'nobody', messageId: '9', correlationId: '99.x' },
          { contentType: 'application/json', replyTo: 'nobody' },
          {
            headers: { 'a\r\nb': 'c', d: ['e', { f: 1 }], [`g${'g'.repeat(200)}`]: null },
            replyTo: 'nobody',
          },
        ])
          for (const what of ['', 'x', '{', hello]) await raw.say(to, what, properties);
      await works(transport, await transport.listen(ANY, echo));
      assert.deepEqual(
        bench.logger.records.filter(({ level }) => level === 'error'),
        [],
      );
      await raw.close();
    }));

  it('is refused when too many calls are open, which were not executed', () =>
    withBench(async (bench) => {
      const transport = await bench.started({ maxSockets: 1 });
      const listener = await transport.listen(ANY, () => {});
      const open = call(transport, listener, message('1')).catch(() => {});
      const refused = await failure(() => call(transport, listener, message('2')));
      assert.deepEqual([refused.code, refused.executed], ['resource_exhausted', false]);
      await transport.stop();
      await open;
    }));
});
