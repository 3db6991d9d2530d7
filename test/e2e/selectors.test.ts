import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ClientOf, Field, Handler, Message, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import type { CallOptions } from '../../src/client/client.js';
import { OctavoError } from '../../src/core/error.js';
import type { Provider } from '../../src/core/provider.js';
import { MemoryWorld, memory as memoryRegistry } from '../../src/registry/memory.js';
import { blacklist } from '../../src/selector/blacklist.js';
import { cache } from '../../src/selector/cache.js';
import { byVersionRange, preferZone } from '../../src/selector/filter.js';
import { label } from '../../src/selector/label.js';
import { p2c } from '../../src/selector/p2c.js';
import type { Selector } from '../../src/selector/selector.js';
import { leastInFlight, roundRobin, weighted } from '../../src/selector/strategy.js';
import { rpc } from '../../src/server/rpc.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';

@Message('selected.Text')
class Text {
  @Field(1, 'string') text = '';
}

@Service({ name: 'selected' })
class Selected {
  @Handler(Text, Text)
  async say({ text }: Text): Promise<Text> {
    return { text };
  }
}

class SelectedClient extends ClientOf(Selected) {}

/** One node of the service: what it says of itself, and what it does before it answers with its name. */
interface Given {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly version?: string;
  readonly before?: () => Promise<void>;
}

type Ask = (options?: CallOptions) => Promise<string>;

/** Runs with nodes of one service, each a server on a port of its own, and a client that asks which one answers. */
async function among(
  nodes: Readonly<Record<string, Given>>,
  selector: Provider<Selector>,
  run: (ask: Ask, stop: (node: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const world = new MemoryWorld();
  const stack = {
    registry: memoryRegistry({ world }),
    transport: http(),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  };
  const services = Object.entries(nodes).map(([text, { metadata = {}, version = '1.0.0', before }]) => {
    const server = rpc({
      metadata,
      version,
      id: text,
      wrappers: [
        async () => {
          await before?.();
          return { body: { text } };
        },
      ],
    });
    return createService({ ...stack, services: [Selected], server });
  });
  const client = createService({ ...stack, selector });
  try {
    for (const service of [...services, client]) await service.start();
    const selected = client.resolve(SelectedClient);
    const ask: Ask = async (options) => (await selected.say({}, options)).text;
    await run(ask, async (node) => services[Object.keys(nodes).indexOf(node)]?.stop());
  } finally {
    for (const service of [client, ...services]) await service.stop();
  }
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

describe('selectors between real nodes', () => {
  it('blacklist: a node that fails gets three calls, and no more', async () => {
    let failures = 0;
    const before = async (): Promise<void> => {
      failures++;
      throw new OctavoError('internal', 'broken');
    };
    await among({ bad: { before }, good: {} }, blacklist({ strategy: roundRobin() }), async (ask) => {
      const answers: string[] = [];
      for (let n = 0; n < 40; n++) answers.push(await ask().catch(() => 'failed'));
      assert.deepEqual(counted(answers), { failed: 3, good: 37 });
      assert.equal(failures, 3);
    });
  });

  it('p2c: a slow node gets few of many calls', async () => {
    const nodes = {
      slow: { before: () => pause(150) },
      one: { before: () => pause(2) },
      two: { before: () => pause(2) },
    };
    await among(nodes, p2c(), async (ask) => {
      const answers: string[] = [];
      const caller = async (): Promise<void> => {
        for (let n = 0; n < 60; n++) answers.push(await ask());
      };
      await Promise.all([caller(), caller(), caller(), caller()]);
      const { slow = 0, one = 0, two = 0 } = counted(answers);
      // With as many calls for each it would be 80.
      assert.ok(slow < 40 && one > 60 && two > 60, JSON.stringify({ slow, one, two }));
    });
  });

  it('least in flight: a node whose calls hang is left alone', async () => {
    let release = (): void => {};
    const hanging = new Promise<void>((resolve) => (release = resolve));
    const nodes = { hangs: { before: () => hanging }, one: {}, two: {} };
    await among(nodes, cache({ strategy: leastInFlight() }), async (ask) => {
      const answers: Promise<string>[] = [];
      const settled: string[] = [];
      for (let n = 0; n < 30; n++) {
        const asked = ask();
        answers.push(asked);
        void asked.then((name) => settled.push(name));
        while (settled.length + 1 < answers.length) await new Promise(setImmediate);
      }
      release();
      assert.equal(counted(await Promise.all(answers))['hangs'], 1);
    });
  });

  it('weighted: calls go as the nodes’ metadata say', async () => {
    const nodes = {
      none: { metadata: { weight: '0' } },
      one: { metadata: { weight: '1' } },
      four: { metadata: { weight: '4' } },
    };
    await among(nodes, cache({ strategy: weighted() }), async (ask) => {
      const answers: string[] = [];
      for (let n = 0; n < 200; n++) answers.push(await ask());
      const { none, one = 0, four = 0 } = counted(answers);
      assert.equal(none, undefined);
      assert.ok(four > 2 * one && one > 10, JSON.stringify({ one, four }));
    });
  });

  it('label: the near nodes, and the far one when they are gone', async () => {
    const near = { metadata: { zone: 'near' } };
    await among(
      { one: near, two: near, far: {} },
      label({ labels: [['zone', 'near']] }),
      async (ask, stop) => {
        const asked = async (): Promise<string[]> =>
          [...new Set([await ask(), await ask(), await ask(), await ask()])].sort();
        assert.deepEqual(await asked(), ['one', 'two']);
        await stop('one');
        assert.deepEqual(await asked(), ['two']);
        await stop('two');
        assert.deepEqual(await asked(), ['far']);
      },
    );
  });

  it('filters: of a range of versions, and of a zone where there is any', async () => {
    const nodes = {
      old: { version: '1.2.0' },
      new: { version: '1.10.0', metadata: { zone: 'a' } },
      next: { version: '2.0.0-rc.1', metadata: { zone: 'a' } },
    };
    await among(nodes, cache({ strategy: roundRobin() }), async (ask) => {
      const seen = async (options: CallOptions): Promise<string[]> => {
        const names = new Set<string>();
        for (let n = 0; n < 6; n++) names.add(await ask(options));
        return [...names].sort();
      };
      assert.deepEqual(await seen({ filters: [byVersionRange('^1.2.0')] }), ['new', 'old']);
      assert.deepEqual(await seen({ filters: [byVersionRange('>=1.9 || 2.0.0-rc.1')] }), ['new', 'next']);
      assert.deepEqual(await seen({ filters: [preferZone('a')] }), ['new', 'next']);
      assert.deepEqual(await seen({ filters: [byVersionRange('1.2'), preferZone('a')] }), ['old']);
      await assert.rejects(ask({ filters: [byVersionRange('^3')] }), /the filters left none/);
    });
  });
});
