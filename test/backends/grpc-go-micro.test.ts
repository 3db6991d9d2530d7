import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import type { Service } from '../../src/service/service.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { grpc, type GrpcTransportOptions } from '../../src/transport/grpc.js';
import { Authority } from '../support/certificates.js';
import { GoGreeter, GoGreeterClient } from '../support/go-greeter.js';
import { buildGo, GoProgram } from '../support/go-program.js';

const path = buildGo('test/backends/peers/grpc-go');

/** A service with the greeter, and a client of it. */
function octavo(options: GrpcTransportOptions = {}): Service {
  return createService({
    services: [GoGreeter],
    transport: grpc(options),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: rpcClient({ contentType: 'application/json' }),
    logger: () => new TestLogger(),
    env: {},
  });
}

function addressOf(service: Service): string {
  return service.server.node?.address ?? '';
}

describe('a go-micro client on its grpc transport', { skip: path === undefined }, () => {
  let service: Service;
  let go: GoProgram;
  before(async () => {
    service = octavo();
    await service.start();
    go = await GoProgram.start(path ?? '', []);
  });
  after(async () => {
    await go[Symbol.asyncDispose]();
    await service.stop();
  });

  it('calls Octavo', async () => {
    assert.equal(
      await go.ask({ do: 'call', address: addressOf(service), endpoint: 'Hello', name: 'Jörg' }),
      'Hello Jörg',
    );
  });

  it('makes one call after the other on one stream', async () => {
    const said = await go.ask<string>({ do: 'calls', address: addressOf(service), name: 'Ada', times: 50 });
    assert.deepEqual(
      said.split(','),
      Array.from({ length: 50 }, (_, n) => `Hello Ada ${n}`),
    );
  });

  it('gets errors with code, id and detail, and goes on with its stream', async () => {
    const calling = go.ask({ do: 'call', address: addressOf(service), endpoint: 'Bad', name: 'John' });
    await assert.rejects(calling, (reason) => {
      assert.ok(reason instanceof Error);
      assert.deepEqual(JSON.parse(reason.message), {
        id: 'greeter.bad',
        code: 400,
        detail: 'bad <John> é',
        status: 'Bad Request',
      });
      return true;
    });
    assert.equal(
      await go.ask({ do: 'call', address: addressOf(service), endpoint: 'Hello', name: 'x' }),
      'Hello x',
    );
  });

  it('streams both ways', async () => {
    await go.ask({ do: 'open', address: addressOf(service) });
    for (const [name, n] of [
      ['a', 2],
      ['b', 1],
    ] as const)
      await go.ask({ do: 'send', name, n });
    for (const msg of ['a-0', 'a-1', 'b-0']) assert.equal(await go.ask({ do: 'receive' }), msg);
    await go.ask({ do: 'close' });
  });

  it('gets the error that ends a stream', async () => {
    await go.ask({ do: 'open', address: addressOf(service) });
    await go.ask({ do: 'send', name: 'err', n: 0 });
    await assert.rejects(go.ask({ do: 'receive' }), /nope/);
    await go.ask({ do: 'close' });
  });
});

describe('Octavo on the grpc transport, with a go-micro server', { skip: path === undefined }, () => {
  let service: Service;
  let go: GoProgram;
  let greeter: GoGreeterClient;
  let address: string;
  before(async () => {
    go = await GoProgram.start(path ?? '', []);
    address = await go.ask<string>({ do: 'serve' });
    service = octavo();
    await service.start();
    greeter = service.resolve(GoGreeterClient);
  });
  after(async () => {
    await go[Symbol.asyncDispose]();
    await service.stop();
  });

  it('calls it, many at once on one connection', async () => {
    const calls = Array.from({ length: 64 }, (_, n) => greeter.hello({ name: `${n}` }, { address }));
    assert.deepEqual(
      (await Promise.all(calls)).map(({ msg }) => msg),
      calls.map((_, n) => `Hello ${n}`),
    );
  });

  it('gets errors with code, id and detail', async () => {
    await assert.rejects(greeter.bad({ name: 'John' }, { address }), (reason) => {
      assert.ok(reason instanceof OctavoError);
      assert.deepEqual(
        [reason.code, reason.id, reason.message],
        ['invalid_argument', 'greeter.bad', 'bad <John> é'],
      );
      return true;
    });
  });

  it('streams both ways, and its server learns that the stream is over', async () => {
    const said: string[] = [];
    // One by one: of two answers that go-micro's server gives at once, the second comes twice on this transport, to its own client, too.
    let next = (): void => {};
    const answered = new Promise<void>((resolve) => (next = resolve));
    async function* requests(): AsyncIterable<{ name: string; n: number }> {
      yield { name: 'a', n: 1 };
      await answered;
      yield { name: 'b', n: 1 };
    }
    for await (const { msg } of greeter.stream(requests(), { address })) {
      said.push(msg);
      next();
      if (said.length === 2) break;
    }
    assert.deepEqual(said, ['a-0', 'b-0']);
    await go.next('streamed');
  });

  it('hears of its death at once', async () => {
    const program = await GoProgram.start(path ?? '', []);
    const there = await program.ask<string>({ do: 'serve' });
    await greeter.hello({ name: 'x' }, { address: there });
    async function* requests(): AsyncIterable<{ name: string; n: number }> {
      yield { name: 'a', n: 1 };
      await new Promise(() => {});
    }
    const stream = greeter.stream(requests(), { address: there })[Symbol.asyncIterator]();
    await stream.next();
    await program[Symbol.asyncDispose]();
    await assert.rejects(
      async () => stream.next(),
      (reason) => reason instanceof OctavoError && reason.code === 'unavailable',
    );
  });
});

describe('TLS between Octavo and go-micro on the grpc transport', { skip: path === undefined }, () => {
  it('carries calls both ways', async () => {
    const authority = await Authority.make();
    const own = await authority.issue('server');
    const service = octavo({ tls: { ca: authority.ca, ...own } });
    await service.start();
    const go = await GoProgram.start(path ?? '', [authority.ca, own.cert, own.key]);
    const address = await go.ask<string>({ do: 'serve' });
    const greeter = service.resolve(GoGreeterClient);
    assert.equal((await greeter.hello({ name: 'Go' }, { address })).msg, 'Hello Go');
    assert.equal(
      await go.ask({ do: 'call', address: addressOf(service), endpoint: 'Hello', name: 'Octavo' }),
      'Hello Octavo',
    );
    await go[Symbol.asyncDispose]();
    await service.stop();
  });
});
