import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Field, Handler, Message, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { json as jsonCodec } from '../../src/codec/json.js';
import { jsonrpc2 } from '../../src/codec/jsonrpc2.js';
import { Context } from '../../src/core/context.js';
import { mercury } from '../../src/codec/mercury.js';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { RpcServer } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';
import { capture } from '../support/capture.js';

@Message('calculator.Pair')
class Pair {
  @Field(1, 'int32') minuend = 0;
  @Field(2, 'int32') subtrahend = 0;
}

@Message('calculator.Difference')
class Difference {
  @Field(1, 'int32') difference = 0;
  @Field(2, 'string') padding = '';
}

/** How often it was called. */
let calls = 0;
/** How many characters go with each reply. */
let padding = 0;
/** The caller of each call that was cancelled. */
const cancelled: string[] = [];

@Service({ name: 'calculator', endpoint: 'Calculator' })
class Calculator {
  @Handler(Pair, Difference)
  async subtract({ minuend, subtrahend }: Pair): Promise<Difference> {
    calls++;
    if (subtrahend === 0) throw new OctavoError('out_of_range', 'nothing to subtract');
    return { difference: minuend - subtrahend, padding: 'x'.repeat(padding) };
  }

  @Handler(Pair, Difference)
  async wait(_pair: Pair): Promise<Difference> {
    const { signal } = Context.current() ?? assert.fail();
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        cancelled.push('wait');
        reject(new OctavoError('cancelled', 'gone'));
      });
    });
  }
}

function service(options: ServiceOptions = {}): ReturnType<typeof createService> {
  return createService({
    services: [Calculator],
    registry: memoryRegistry(),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
    ...options,
  });
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly error: string | null;
  readonly body: Buffer;
}

describe('a body with an envelope, posted to / without a word of go-micro’s', () => {
  const server = service({ transport: http({ maxMessageBytes: 100_000 }) });
  const second = service({
    codecs: [jsonrpc2({ maxBatch: 3 })],
    transport: http({ maxMessageBytes: 100_000 }),
  });
  before(async () => {
    await server.start();
    await second.start();
  });
  after(async () => {
    await server.stop();
    await second.stop();
  });

  async function post(type: string, body: string | Buffer, to = server): Promise<Answer> {
    const response = await fetch(`http://${to.server.node?.address}/`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: typeof body === 'string' ? body : Uint8Array.from(body),
    });
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      error: response.headers.get('micro-error'),
      body: Buffer.from(await response.arrayBuffer()),
    };
  }

  const json = async (body: string, to = server, type = 'application/json'): Promise<unknown> => {
    const answer = await post(type, body, to);
    assert.equal(answer.status, 200);
    return answer.body.length === 0 ? undefined : (JSON.parse(answer.body.toString()) as unknown);
  };

  for (const type of ['application/json', 'application/json; charset=utf-8', 'application/json-rpc'])
    it(`is JSON-RPC 1.0 where it is ${type}`, async () => {
      const answer = await post(
        type,
        '{"method":"Calculator.Subtract","params":[{"minuend":42,"subtrahend":23}],"id":1}',
      );
      assert.equal(answer.body.toString(), '{"id":1,"result":{"difference":19},"error":null}\n');
      assert.deepEqual([answer.type, answer.error], [type, null]);
    });

  it('is answered by the error, in the body and in the header', async () => {
    const answer = await post('application/json', '{"method":"Calculator.Subtract","params":[],"id":"x"}');
    const said = '{"id":"calculator","code":400,"detail":"nothing to subtract","status":"Bad Request"}';
    assert.deepEqual(JSON.parse(answer.body.toString()), { id: 'x', result: null, error: said });
    assert.equal(answer.error, said);
  });

  it('is answered with its id where the endpoint is not there, and with null where it cannot be read', async () => {
    const { id, error } = (await json('{"method":"Calculator.Nothing","params":[],"id":7}')) as Record<
      string,
      string
    >;
    assert.equal(id, 7);
    assert.match(error ?? '', /"code":501.*Calculator\.Subtract/);
    for (const body of ['{', '[]', '1', '{"method":1,"id":3}', '{"id":3}']) {
      const told = (await json(body)) as Record<string, string>;
      assert.equal(told['id'], null);
      assert.match(told['error'] ?? '', /"code":400/);
    }
  });

  it('is executed and not answered where its id is null', async () => {
    const done = calls + 2;
    for (const pair of ['{"subtrahend":1}', '{}']) {
      const { body, error } = await post(
        'application/json',
        `{"method":"Calculator.Subtract","params":[${pair}],"id":null}`,
      );
      assert.deepEqual([body.length, error], [0, null]);
    }
    assert.equal((await post('application/json', '{"method":"Nothing","params":[],"id":null}')).error, null);
    assert.equal(calls, done);
  });

  it('is proto-rpc where it is protobuf: byte for byte what go-micro answers', async () => {
    // What go-micro v6.10 answered, in test/interop/captures.
    const answers = [...capture('codecs-v6.10').matchAll(/^== (.+)\n([^]*?)(?=^== |(?![^]))/gm)];
    const golden = (name: string): string =>
      /BODY hex ([0-9a-f]+)/.exec(answers.find(([, each]) => each === name)?.[2] ?? '')?.[1] ??
      assert.fail(name);
    const method = Buffer.from('Debug.Health');
    const envelope = Buffer.concat([
      Buffer.from([0x0a, method.length]),
      method,
      Buffer.from('110500000000000000', 'hex'),
    ]);
    const body = Buffer.concat([Buffer.from([0, 0, 0, envelope.length]), envelope, Buffer.alloc(4)]);
    for (const [type, name] of [
      ['application/proto-rpc', 'proto-rpc'],
      ['application/protobuf', 'protobuf no micro headers (old)'],
    ] as const) {
      const answer = await post(type, body);
      assert.equal(answer.body.toString('hex'), golden(name));
      assert.equal(answer.type, type);
    }
  });

  it('is JSON-RPC 2.0 where the service has that instead', async () => {
    const call = '{"jsonrpc":"2.0","method":"Calculator.Subtract"';
    for (const type of ['application/json-rpc', 'application/json-rpc2', 'application/jsonrequest']) {
      const answer = await post(type, `${call},"params":[42,23],"id":1}`, second);
      assert.equal(answer.body.toString(), '{"jsonrpc":"2.0","result":{"difference":19},"id":1}\n');
    }
    const asked = async (text: string): Promise<unknown> => json(text, second, 'application/json-rpc');
    assert.deepEqual(await asked(`${call},"params":{"subtrahend":23,"minuend":42},"id":"a"}`), {
      jsonrpc: '2.0',
      result: { difference: 19 },
      id: 'a',
    });
    assert.equal(await asked(`${call},"params":[42,23]}`), undefined);
    assert.equal(await asked('{"jsonrpc":"2.0","method":"foobar"}'), undefined);
    const code = async (text: string): Promise<unknown> => {
      const { id, error } = (await asked(text)) as { id: unknown; error: { code: number } };
      return [error.code, id];
    };
    assert.deepEqual(await code('{"jsonrpc":"2.0","method":"foobar","id":"1"}'), [-32_601, '1']);
    assert.deepEqual(await code('{"jsonrpc":"2.0","method":"foobar, "params":"bar","baz]'), [-32_700, null]);
    assert.deepEqual(await code(''), [-32_700, null]);
    assert.deepEqual(await code('{"jsonrpc":"2.0","method":1,"params":"bar"}'), [-32_600, null]);
    assert.deepEqual(await code(`${call},"params":[1,2,3],"id":4}`), [-32_602, 4]);
    assert.deepEqual(await code(`${call},"params":["x"],"id":4}`), [-32_602, 4]);
    assert.deepEqual(await code(`${call},"id":4}`), [-32_011, 4]);
    assert.deepEqual(await code('[]'), [-32_600, null]);
    assert.deepEqual(await code('[{"jsonrpc":"2.0","method"'), [-32_700, null]);
    assert.deepEqual(await code('[1,2,3,4]'), [-32_600, null]);
  });

  it('is a batch: each call is answered by itself, in order, and what wants no answer is left out', async () => {
    const call = '{"jsonrpc":"2.0","method":"Calculator.Subtract","params":';
    const done = calls + 2;
    const answers = (await json(
      `[${call}[42,23],"id":"1"},${call}[1,1]},{"foo":"boo"}]`,
      second,
      'application/json-rpc',
    )) as { id: unknown; result?: unknown; error?: { code: number } }[];
    assert.deepEqual(
      answers.map(({ id, result, error }) => [id, result ?? error?.code]),
      [
        ['1', { difference: 19 }],
        [null, -32_600],
      ],
    );
    assert.equal(calls, done);
    assert.equal(
      await json(`[${call}[1,1]},{"jsonrpc":"2.0","method":"x"}]`, second, 'application/json-rpc'),
      undefined,
    );
    assert.deepEqual(
      ((await json('[1,2,3]', second, 'application/json-rpc')) as { error: { code: number } }[]).map(
        ({ error }) => error.code,
      ),
      [-32_600, -32_600, -32_600],
    );
  });

  it('is a batch whose replies together are no longer than one message may be', async () => {
    padding = 60_000;
    try {
      const call = '{"jsonrpc":"2.0","method":"Calculator.Subtract","params":[2,1],"id":';
      const answers = (await json(`[${call}1},${call}2}]`, second, 'application/json-rpc')) as {
        id: unknown;
        error?: { code: number; message: string };
      }[];
      assert.deepEqual(
        answers.map(({ id, error }) => [id, error?.code]),
        [
          [1, undefined],
          [2, -32_008],
        ],
      );
      assert.match(answers[1]?.error?.message ?? '', /over 100000 bytes/);
    } finally {
      padding = 0;
    }
  });

  it('is a batch whose calls are cancelled when the caller goes', async () => {
    const gone = new AbortController();
    const call = '{"jsonrpc":"2.0","method":"Calculator.Wait","id":1}';
    const asked = fetch(`http://${second.server.node?.address}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json-rpc' },
      body: `[${call},${call}]`,
      signal: gone.signal,
    });
    const { server: rpc } = second;
    assert.ok(rpc instanceof RpcServer);
    const stats = (): number => rpc.stats.active;
    while (stats() < 2) await new Promise(setImmediate);
    gone.abort();
    await assert.rejects(asked);
    while (cancelled.length < 2) await new Promise(setImmediate);
    while (stats() > 0) await new Promise(setImmediate);
  });

  it('says what to send where there is no codec with an envelope', async () => {
    const bare = service({ codecs: [jsonCodec()] });
    await bare.start();
    const { error } = await post('application/json', '{"method":"Calculator.Subtract"}', bare);
    assert.match(error ?? '', /names no endpoint.*envelope/);
    await bare.stop();
  });

  it('is not asked for where the header names the endpoint', async () => {
    const response = await fetch(`http://${server.server.node?.address}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'micro-endpoint': 'Calculator.Subtract' },
      body: '{"minuend":42,"subtrahend":23}',
    });
    assert.equal(await response.text(), '{"difference":19}\n');
  });
});

describe('a call in mercury’s headers', () => {
  it('is served where it has no header of go-micro’s, and refused where it is for another', async () => {
    await using server = service({ codecs: [mercury()], transport: http() });
    await server.start();
    const call = async (to: string): Promise<Response> => {
      const body = new Uint8Array([8, 42, 16, 23]);
      const headers = { 'content-type': 'application/mercury', service: to, endpoint: 'Calculator.Subtract' };
      return fetch(`http://${server.server.node?.address}/`, { method: 'POST', headers, body });
    };
    const response = await call('calculator');
    assert.equal(response.headers.get('content-encoding'), 'response');
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from([8, 19]));
    assert.match((await call('other')).headers.get('micro-error') ?? '', /not \\"other\\"/);
  });
});
