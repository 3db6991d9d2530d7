import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { FollowedNodes } from '../../src/registry/followed-nodes.js';
import type { NodeRecord } from '../../src/registry/node-record.js';
import type { NodeView } from '../../src/registry/node-view.js';
import { readRecord, writeRecord } from '../../src/registry/record-json.js';
import type { RegistryEvent } from '../../src/registry/registry.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

function record(id: string, n = '1'): NodeRecord {
  return {
    service: { name: 'greeter', version: '1', metadata: {}, endpoints: [] },
    node: { id, address: '127.0.0.1:1', metadata: { n } },
  };
}

function listOf(...records: NodeRecord[]): Map<string, NodeRecord> {
  return new Map(records.map((each) => [each.node.id, each]));
}

/** A backend whose fate the test decides: each time it is followed, the next step runs. */
class Bench {
  readonly clock = new VirtualClock();
  readonly logger = new TestLogger();
  readonly told: string[] = [];
  readonly steps: ((view: NodeView, signal: AbortSignal) => Promise<void>)[] = [];
  readonly nodes = new FollowedNodes({
    registry: 'test',
    clock: this.clock,
    logger: this.logger,
    follow: async (_, view, signal) => this.steps.shift()?.(view, signal),
  });
  view: NodeView | undefined;

  /** Lists these, and stays. */
  lists(...records: NodeRecord[]): void {
    this.steps.push(async (view, signal) => {
      this.view = view;
      view.replace(listOf(...records));
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    });
  }

  /** Lists these, and breaks off. */
  breaks(...records: NodeRecord[]): void {
    this.steps.push(async (view) => {
      this.view = view;
      view.replace(listOf(...records));
      throw new OctavoError('unavailable', 'gone');
    });
  }

  fails(): void {
    this.steps.push(async () => {
      throw new OctavoError('unavailable', 'not there');
    });
  }

  async watch(): Promise<AsyncIterable<RegistryEvent>> {
    const changes = this.nodes.watch();
    void (async () => {
      for await (const { action, service } of changes)
        this.told.push(
          `${action} ${service.nodes.map(({ id, metadata }) => `${id}=${metadata['n']}`).join()}`,
        );
    })().catch((error: OctavoError) => this.told.push(error.code));
    await this.nodes.begun('greeter');
    return changes;
  }

  async pass(ms = 0): Promise<readonly string[]> {
    await this.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return this.told.splice(0);
  }
}

describe('nodes that are followed', () => {
  it('begin with a list, which is nothing new, and go on with what changes', async () => {
    const bench = new Bench();
    bench.lists(record('a'));
    await bench.watch();
    const { view } = bench;
    view?.put('a', record('a'));
    view?.put('b', record('b'));
    view?.put('b', record('b', '2'));
    view?.remove('a');
    view?.remove('nobody');
    assert.deepEqual(await bench.pass(), ['create b=1', 'update b=2', 'delete a=1']);
    bench.nodes.end();
  });

  it('are compared with what was known when they had been lost', async () => {
    const bench = new Bench();
    bench.breaks(record('a'), record('b'), record('c'));
    bench.fails();
    bench.fails();
    bench.lists(record('a'), record('b', '2'), record('d'));
    await bench.watch();
    assert.deepEqual(await bench.pass(5_000), ['delete c=1', 'update b=2', 'create d=1']);
    assert.deepEqual(
      bench.logger.records.map(({ level }) => level),
      ['warn', 'info'],
    );
    bench.nodes.end();
  });

  it('all go where the backend came back empty', async () => {
    const bench = new Bench();
    bench.breaks(record('a'), record('b'));
    bench.lists();
    await bench.watch();
    assert.deepEqual(await bench.pass(1_000), ['delete a=1', 'delete b=1']);
    bench.nodes.end();
  });

  it('are tried again after pauses that grow', async () => {
    const bench = new Bench();
    bench.breaks(record('a'));
    let tried = 0;
    for (let n = 0; n < 1_000; n++)
      bench.steps.push(async () => {
        tried++;
        throw new OctavoError('unavailable', 'not there');
      });
    await bench.watch();
    for (let n = 0; n < 200; n++) await bench.pass(100);
    assert.ok(tried >= 10 && tried <= 30, `${tried} times in 20 s`);
    bench.nodes.end();
    await bench.pass(60_000);
    assert.ok(tried <= 30);
  });

  it('end with the error where there is no first list', async () => {
    const bench = new Bench();
    bench.fails();
    await bench.watch();
    assert.deepEqual(await bench.pass(), ['unavailable']);
    bench.lists(record('a'));
    await bench.watch();
    bench.view?.remove('a');
    assert.deepEqual(await bench.pass(), ['delete a=1']);
    bench.nodes.end();
  });

  it('are followed once for several watches, and no longer than one of them lives', async () => {
    const bench = new Bench();
    bench.lists(record('a'));
    const changes = await bench.watch();
    const others = bench.nodes.watch()[Symbol.asyncIterator]();
    await changes[Symbol.asyncIterator]().return?.();
    bench.view?.remove('a');
    assert.equal((await others.next()).done, false);
    assert.equal(bench.steps.length, 0);
    await others.return?.();
    bench.lists(record('b'));
    await bench.watch();
    assert.equal(bench.steps.length, 0);
    bench.nodes.end();
  });

  it('are told of at once where they were changed from here, and a list that left before does not undo it', async () => {
    const bench = new Bench();
    bench.lists(record('a'));
    await bench.watch();
    bench.nodes.own('greeter', 'b', record('b'));
    bench.nodes.own('greeter', 'a', undefined);
    assert.deepEqual(await bench.pass(), ['create b=1', 'delete a=1']);
    bench.view?.replace(listOf(record('a')));
    assert.deepEqual(await bench.pass(), []);
    bench.view?.replace(listOf(record('b')));
    bench.view?.replace(listOf());
    assert.deepEqual(await bench.pass(), ['delete b=1']);
    bench.nodes.end();
  });

  it('are no more than there is room for, in number and in size', async () => {
    const bench = new Bench();
    bench.lists(record('a'));
    await bench.watch();
    const { view } = bench;
    const large = 'x'.repeat(1024 * 1024);
    for (let n = 0; n < 100; n++) view?.put(`large-${n}`, record(`large-${n}`, large));
    const told = (await bench.pass()).length;
    assert.ok(told > 50 && told < 64, `${told}`);
    for (let n = 0; n < 100; n++) view?.remove(`large-${n}`);
    assert.equal((await bench.pass()).length, told);
    view?.put('b', record('b'));
    // One that grows out of the room is gone.
    view?.put('b', record('b', 'x'.repeat(65 * 1024 * 1024)));
    assert.deepEqual(await bench.pass(), ['create b=1', 'delete b=1']);
    for (let n = 0; n < 100_010; n++) {
      view?.put(`${n}`, record(`${n}`));
      if (n % 5_000 === 0) await bench.pass();
    }
    assert.equal(view?.size, 100_000);
    bench.nodes.end();
  });

  it('are what the backend says where it goes on saying so', async () => {
    const bench = new Bench();
    bench.lists(record('a'));
    await bench.watch();
    bench.nodes.own('greeter', 'b', record('b'));
    bench.view?.replace(listOf(record('a')));
    assert.deepEqual(await bench.pass(), ['create b=1']);
    assert.deepEqual(await bench.pass(1_000), ['delete b=1']);
    bench.nodes.end();
  });
});

describe('the JSON of a record', () => {
  const whole: NodeRecord = {
    service: {
      name: 'greeter',
      version: '1.0.0',
      metadata: { team: 'a' },
      endpoints: [
        {
          name: 'Greeter.Hello',
          request: {
            name: 'Request',
            type: 'Request',
            values: [{ name: 'name', type: 'string', values: [] }],
          },
          response: { name: 'Reply', type: 'Reply', values: [] },
          metadata: { stream: 'true' },
        },
      ],
    },
    node: { id: 'greeter-1', address: '10.0.0.1:80', metadata: { 日本: '=;"' } },
  };

  it('is what go-micro writes', () => {
    assert.equal(
      writeRecord(record('a')),
      '{"name":"greeter","version":"1","metadata":{},"endpoints":[],"nodes":[{"id":"a","address":"127.0.0.1:1","metadata":{"n":"1"}}]}',
    );
    assert.deepEqual(readRecord(writeRecord(whole)), [whole]);
  });

  it('may have null wherever Go has nothing', () => {
    const text =
      '{"name":"greeter","version":"1","metadata":null,"endpoints":[{"name":"A.B","request":null,"response":{"name":"x","type":"y","values":null},"metadata":null}],"nodes":[{"metadata":null,"id":"a","address":"b:1"}]}';
    assert.deepEqual(readRecord(text), [
      {
        service: {
          name: 'greeter',
          version: '1',
          metadata: {},
          endpoints: [{ name: 'A.B', response: { name: 'x', type: 'y', values: [] }, metadata: {} }],
        },
        node: { id: 'a', address: 'b:1', metadata: {} },
      },
    ]);
  });

  it('is nothing where it is none', () => {
    const texts = [
      '',
      'x',
      'null',
      '[]',
      '{"name":"a"}',
      '{"name":"a","version":""}',
      '{"name":"a","version":"1","nodes":{}}',
      '{"name":"a","version":"1","nodes":[null,1,{"id":""},{"id":"a"},{"id":1,"address":"b"}]}',
      `{"name":"${'a'.repeat(2_000_000)}","version":"1","nodes":[{"id":"a","address":"b"}]}`,
    ];
    for (const text of texts) assert.deepEqual(readRecord(text), []);
  });

  it('is read to a depth that nobody drowns in', () => {
    const deep = '{"name":"a","type":"b","values":['.repeat(10_000) + ']}'.repeat(10_000);
    const text = `{"name":"a","version":"1","endpoints":[{"name":"e","request":${deep}}],"nodes":[{"id":"a","address":"b"}]}`;
    const [read] = readRecord(text);
    assert.ok(JSON.stringify(read).length < 1_000);
  });
});
