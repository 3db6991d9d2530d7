import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OctavoError, type Code } from '../../src/core/error.js';
import type { Service } from '../../src/service/service.js';
import { GreeterClient, PlainClient, Request } from '../interop/fleet/greeter.js';
import type { GoProgram } from '../support/go-program.js';
import { goMicro, serveGoMicro, startGoMicro } from '../support/grpc-interop/go-micro.js';
import { octavo } from '../support/grpc-interop/octavo.js';

describe('the grpc client, with a go-micro v4 node', { skip: goMicro === undefined }, () => {
  let go: GoProgram;
  let service: Service;
  let greeter: GreeterClient;
  let address: string;
  before(async () => {
    go = await startGoMicro();
    service = octavo();
    await service.start();
    address = await serveGoMicro(go, service);
    greeter = service.resolve(GreeterClient);
  });
  after(async () => {
    await service.stop();
    await go[Symbol.asyncDispose]();
  });

  it('finds it by what its registry says, and calls it', async () => {
    const reply = await greeter.hello(
      { name: 'Jörg', bigNumber: 9_007_199_254_740_993n, mood: 1 },
      { metadata: { 'Foo-Bar': 'baz' } },
    );
    assert.deepEqual(
      [reply.text, reply.bigNumber, reply.mood, reply.node],
      ['Hello Jörg', 9_007_199_254_740_993n, 1, 'go'],
    );
    // As go-micro spells names; what it takes out for itself is not there.
    assert.deepEqual(
      ['Foo-Bar', 'Content-Type', 'Timeout', 'X-Content-Type'].map((name) => reply.metadata.get(name)),
      ['baz', 'application/grpc', undefined, undefined],
    );
  });

  it('calls it by its address, as any gRPC server', async () => {
    assert.equal((await greeter.hello({ name: 'x' }, { address })).text, 'Hello x');
  });

  it('calls it many times at once on one connection', async () => {
    const calls = Array.from({ length: 64 }, (_, n) => greeter.hello({ name: `${n}` }));
    assert.deepEqual(
      (await Promise.all(calls)).map(({ text }) => text),
      calls.map((_, n) => `Hello ${n}`),
    );
  });

  it('gets an empty reply', async () => {
    assert.equal((await greeter.empty({})).text, '');
  });

  it('speaks JSON with handlers that have no protobuf', async () => {
    const reply = await service
      .resolve(PlainClient)
      .hello({ name: 'Ada', mood: 1 }, { contentType: 'application/json' })
      .catch((reason: unknown) => reason);
    // Go's plain structs refuse the enum's name, which is how ProtoJSON writes it.
    assert.ok(reply instanceof OctavoError, String(reply));
    const untyped = { service: 'greeter', endpoint: 'Plain.Hello', contentType: 'application/json' };
    assert.deepEqual(await service.client.call({ ...untyped, body: { name: 'Ada', mood: 1 } }), {
      text: 'Hello Ada',
      bigNumber: 0,
      mood: 1,
    });
  });

  const failures: readonly (readonly [string, Code, string])[] = [
    ['bad', 'invalid_argument', 'bad <bad> é'],
    ['unauthorized', 'unauthenticated', 'who are you'],
    ['forbidden', 'permission_denied', 'not you'],
    ['missing', 'not_found', 'no such thing'],
    ['conflict', 'already_exists', 'already there'],
    ['internal', 'internal', 'broken'],
  ];
  for (const [name, code, message] of failures)
    it(`gets its error "${name}" with code, id and detail, by name and by address`, async () => {
      for (const options of [{}, { address }])
        await assert.rejects(greeter.fail({ name }, options), (reason) => {
          assert.ok(reason instanceof OctavoError);
          assert.deepEqual([reason.code, reason.id, reason.message], [code, 'greeter.fail', message]);
          return true;
        });
    });

  it('gets errors that are plain text, and panics', async () => {
    await assert.rejects(
      greeter.fail({ name: 'text' }),
      (reason) => reason instanceof OctavoError && /plain text/.test(reason.message),
    );
    await assert.rejects(
      greeter.fail({ name: 'panic' }),
      (reason) => reason instanceof OctavoError && reason.code === 'internal',
    );
  });

  it('learns that an endpoint is not there', async () => {
    const request = { service: 'greeter', endpoint: 'Greeter.Nothing', body: new Uint8Array() };
    await assert.rejects(
      service.client.call(request),
      (reason) => reason instanceof OctavoError && reason.code === 'unimplemented',
    );
  });

  it('has its deadline known there', async () => {
    const { bigNumber } = await greeter.slow({ delayMs: 1 }, { timeoutMs: 2_000 });
    assert.ok(bigNumber > 1_000n && bigNumber <= 2_000n, String(bigNumber));
    await assert.rejects(
      greeter.slow({ delayMs: 5_000 }, { timeoutMs: 200 }),
      (reason) => reason instanceof OctavoError && reason.code === 'deadline_exceeded',
    );
  });

  it('streams both ways, and half-closes', async () => {
    const texts: string[] = [];
    for await (const { text } of greeter.chat([
      { name: 'a', count: 2 },
      { name: 'b', count: 1 },
    ]))
      texts.push(text);
    assert.deepEqual(texts, ['a-0', 'a-1', 'b-0']);
    await go.next('ended');
  });

  it('gets a stream of replies', async () => {
    const texts: string[] = [];
    for await (const { text } of greeter.count({ name: 'c', count: 3 })) texts.push(text);
    assert.deepEqual(texts, ['c-0', 'c-1', 'c-2']);
  });

  it('gets the error that ends a stream, after its items', async () => {
    const texts: string[] = [];
    await assert.rejects(
      async () => {
        for await (const { text } of greeter.chat([{ name: 'a', count: 1 }, { name: 'fail' }]))
          texts.push(text);
      },
      (reason) =>
        reason instanceof OctavoError && reason.code === 'not_found' && reason.message === 'no more',
    );
    assert.deepEqual(texts, ['a-0']);
  });

  it('hears of its death at once', async () => {
    const other = await startGoMicro();
    const [record] = await other.ask<{ nodes: { address: string }[] }[]>({ do: 'serve' });
    const there = record?.nodes[0]?.address ?? '';
    async function* requests(): AsyncIterable<Request> {
      yield Object.assign(new Request(), { name: 'a', count: 1 });
      await new Promise(() => {});
    }
    const stream = greeter.chat(requests(), { address: there })[Symbol.asyncIterator]();
    await stream.next();
    await other[Symbol.asyncDispose]();
    await assert.rejects(
      async () => stream.next(),
      (reason) => reason instanceof OctavoError && reason.code === 'unavailable',
    );
  });
});
