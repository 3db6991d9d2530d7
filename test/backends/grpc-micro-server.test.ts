import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Context } from '../../src/core/context.js';
import { OctavoError, type Code } from '../../src/core/error.js';
import { Service as Serves, type HandlersOf } from '../../decorators/service.js';
import type { Service } from '../../src/service/service.js';
import { Greeter, Reply, type Request } from '../interop/fleet/greeter.js';
import type { GoProgram } from '../support/go-program.js';
import { goMicro, startGoMicro } from '../support/grpc-interop/go-micro.js';
import { addressOf, served } from '../support/grpc-interop/octavo.js';

function reply(text: string, more: Partial<Reply> = {}): Reply {
  return Object.assign(new Reply(), { text, ...more });
}

const cancelled: string[] = [];

/** What go-micro's peers serve, in Octavo. */
@Serves(Greeter)
class GreeterServer implements HandlersOf<Greeter> {
  async hello({ name, bigNumber, mood }: Request, { metadata }: Context): Promise<Reply> {
    const seen = new Map([...metadata].map(([key, value]) => [key.toLowerCase(), value]));
    return reply(`Hello ${name}`, { bigNumber, mood, metadata: seen });
  }
  async empty(): Promise<Reply> {
    return new Reply();
  }
  async fail({ name }: Request): Promise<Reply> {
    // A test asks for a code.
    throw new OctavoError(name as Code, `no <${name}> é`, { id: 'greeter.fail' });
  }
  async slow({ delayMs }: Request, context: Context): Promise<Reply> {
    const { clock, signal, remainingMs } = context;
    context.onCancel(({ code }) => cancelled.push(code));
    await clock.sleep(delayMs, signal);
    return reply('done', { bigNumber: BigInt(Math.round(remainingMs)) });
  }
  async *chat(requests: AsyncIterable<Request>): AsyncIterable<Reply> {
    for await (const { name, count } of requests) {
      if (name === 'end') return;
      if (name === 'fail') throw new OctavoError('not_found', 'no more', { id: 'greeter.chat' });
      for (let at = 0; at < count; at++) yield reply(`${name}-${at}`);
    }
    yield reply('goodbye');
  }
  async *count({ name, count }: Request): AsyncIterable<Reply> {
    for (let at = 0; at < count; at++) yield reply(`${name}-${at}`);
  }
}

interface GoReply {
  readonly text?: string;
  readonly big_number?: number;
  readonly mood?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

describe('the grpc server, with a go-micro v4 client', { skip: goMicro === undefined }, () => {
  let go: GoProgram;
  let service: Service;
  let common: { readonly address: string; readonly service: string };
  const call = (endpoint: string, request: object, more: object = {}): Promise<GoReply> =>
    go.ask<GoReply>({ do: 'call', ...common, endpoint, request, ...more });

  before(async () => {
    go = await startGoMicro();
    service = served({}, { services: [GreeterServer] });
    await service.start();
    common = { address: addressOf(service), service: 'greeter' };
  });
  after(async () => {
    await service.stop();
    await go[Symbol.asyncDispose]();
  });

  for (const contentType of ['application/protobuf', 'application/json', 'application/grpc+proto'])
    it(`is called in ${contentType}`, async () => {
      const request = { name: 'Jörg', big_number: 7, mood: 1 };
      const said = await call('Greeter.Hello', request, { contentType, metadata: { 'Foo-Bar': 'baz' } });
      assert.deepEqual([said.text, said.big_number, said.mood], ['Hello Jörg', 7, 1]);
      const { metadata = {} } = said;
      assert.deepEqual(
        ['foo-bar', 'timeout', 'x-content-type', 'content-type'].map((name) => metadata[name]),
        ['baz', undefined, undefined, undefined],
      );
    });

  it('answers with nothing in it', async () => {
    assert.deepEqual(await call('Greeter.Empty', {}, { contentType: 'application/protobuf' }), {});
  });

  const failures: readonly (readonly [Code, number, string])[] = [
    ['invalid_argument', 400, 'Bad Request'],
    ['unauthenticated', 401, 'Unauthorized'],
    ['permission_denied', 403, 'Forbidden'],
    ['not_found', 404, 'Not Found'],
    ['already_exists', 409, 'Conflict'],
    ['internal', 500, 'Internal Server Error'],
    ['unavailable', 503, 'Service Unavailable'],
  ];
  for (const [name, code, status] of failures)
    it(`fails with ${name} as go-micro knows it`, async () => {
      await assert.rejects(
        call('Greeter.Fail', { name }, { contentType: 'application/protobuf' }),
        (reason) => {
          assert.ok(reason instanceof Error);
          assert.deepEqual(JSON.parse(reason.message), {
            id: 'greeter.fail',
            code,
            detail: `no <${name}> é`,
            status,
          });
          return true;
        },
      );
    });

  it('does not know what is not there', async () => {
    await assert.rejects(call('Greeter.Nothing', {}, { contentType: 'application/protobuf' }), /"code":501/);
  });

  it('keeps to its deadline', async () => {
    const timed = { contentType: 'application/protobuf', timeoutMs: 1_000 };
    const { big_number: left = 0 } = await call('Greeter.Slow', { delay_ms: 1 }, timed);
    assert.ok(left > 0 && left <= 1_000, String(left));
    await assert.rejects(
      call('Greeter.Slow', { delay_ms: 60_000 }, { ...timed, timeoutMs: 200 }),
      /408|deadline/i,
    );
    while (cancelled.length === 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('streams both ways, and knows its half-close', async () => {
    await go.ask({ do: 'open', ...common, endpoint: 'Greeter.Chat', contentType: 'application/protobuf' });
    await go.ask({ do: 'send', request: { name: 'a', count: 2 } });
    for (const text of ['a-0', 'a-1']) assert.equal((await go.ask<GoReply>({ do: 'receive' })).text, text);
    await go.ask({ do: 'closeSend' });
    assert.equal((await go.ask<GoReply>({ do: 'receive' })).text, 'goodbye');
    assert.equal(await go.ask({ do: 'receive' }), 'the end');
    await go.ask({ do: 'close' });
  });

  it('gives a stream of replies to one request', async () => {
    await go.ask({ do: 'open', ...common, endpoint: 'Greeter.Count', contentType: 'application/json' });
    await go.ask({ do: 'send', request: { name: 'c', count: 3 } });
    for (const text of ['c-0', 'c-1', 'c-2'])
      assert.equal((await go.ask<GoReply>({ do: 'receive' })).text, text);
    assert.equal(await go.ask({ do: 'receive' }), 'the end');
    await go.ask({ do: 'close' });
  });

  it('ends a stream with an error', async () => {
    await go.ask({ do: 'open', ...common, endpoint: 'Greeter.Chat', contentType: 'application/protobuf' });
    await go.ask({ do: 'send', request: { name: 'fail' } });
    await assert.rejects(go.ask({ do: 'receive' }), /no more/);
    await go.ask({ do: 'close' });
  });
});
