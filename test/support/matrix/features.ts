import assert from 'node:assert/strict';
import { OctavoError, type Code } from '../../../src/core/error.js';
import type { Metadata } from '../../../src/core/metadata.js';
import type { Wrapper } from '../../../src/wrapper/wrapper.js';
import { FULL, type MatrixClient, type StreamMatrix } from './parcels.js';

/** The bytes of a message that every wire of the matrix is told to take at most. */
export const MOST_BYTES = 32 * 1024;

/** What a feature is tried with. */
export interface Rig {
  /** Whatever calls the service by this wire. */
  readonly client: Pick<MatrixClient, keyof StreamMatrix & keyof MatrixClient>;
  /** The handlers at the other end. */
  readonly service: StreamMatrix;
  /** Stands around the handlers, and does what a feature has it do. */
  around: Wrapper;
  /** Stops the service, in order. */
  readonly stop: () => Promise<void>;
}

/** Shows that a feature is there. Throws where it is not. */
export type Feature = (rig: Rig) => Promise<void>;

function failing(code: Code, like = /./): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.equal(reason.code, code, reason.message);
    assert.match(reason.message, like);
    return true;
  };
}

function detailed(code: Code): (reason: unknown) => boolean {
  return (reason) => {
    failing(code)(reason);
    assert.deepEqual((reason as OctavoError).details, [{ type: 'wait', forMs: 5 }]);
    return true;
  };
}

async function counts(stream: AsyncIterable<{ readonly count: number }>): Promise<number[]> {
  const all: number[] = [];
  for await (const { count } of stream) all.push(count);
  return all;
}

/** Waits until a handler waits, and gives what lets it go. Rejects where the call fails before. */
async function begun({ waiting }: StreamMatrix, call: Promise<unknown>): Promise<() => void> {
  const early = call.then(() => assert.fail('it was over before it began'));
  return Promise.race([waiting.next(), early]);
}

/** Waits until a number has stopped to grow for a tenth of a second. */
async function settled(number: () => number): Promise<number> {
  for (let last = -1; ;) {
    const now = number();
    if (now === last) return now;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What is tried on each wire: a row of the matrix each, in order. */
export const FEATURES = {
  unary: async ({ client }) => {
    assert.equal((await client.echo({ text: 'a', count: 1 })).count, 1);
  },
  'every kind of field': async ({ client }) => {
    const reply = await client.echo(FULL);
    for (const [field, value] of Object.entries(FULL)) {
      const came: unknown = reply[field as keyof typeof FULL]; // a key of what was sent
      assert.deepEqual(came instanceof Uint8Array ? Uint8Array.from(came) : came, value, field);
    }
    assert.equal(reply.street, undefined);
  },
  'server stream': async ({ client }) => {
    assert.deepEqual(await counts(client.list({ count: 3 })), [1, 2, 3]);
    assert.deepEqual(await counts(client.list({})), []);
  },
  'client stream': async ({ client }) => {
    assert.equal((await client.sum([{ count: 1 }, { count: 2 }])).count, 3);
    assert.equal((await client.sum([])).count, 0);
  },
  'bidi stream, item by item': async ({ client }) => {
    const seen: string[] = [];
    let answered: () => void = () => {};
    async function* asks(): AsyncIterable<{ text: string }> {
      for (const text of ['a', 'b']) {
        const answer = new Promise<void>((resolve) => (answered = resolve));
        yield { text };
        await answer;
      }
    }
    for await (const { text } of client.chat(asks())) {
      seen.push(text);
      answered();
    }
    assert.deepEqual(seen, ['a', 'b', 'goodbye']);
  },
  'error with code, message and details': async ({ client }) => {
    await assert.rejects(client.fail({}), detailed('failed_precondition'));
    await assert.rejects(client.fail({}), failing('failed_precondition', /^not yet é$/));
  },
  'error after the last item': async ({ client }) => {
    let seen = 0;
    await assert.rejects(async () => {
      for await (const _ of client.list({ text: 'fail', count: 2 })) seen++;
    }, detailed('out_of_range'));
    assert.equal(seen, 2);
  },
  'a secret that was thrown stays home': async ({ client }) => {
    await assert.rejects(client.fail({ text: 'plain' }), (reason) => {
      failing('internal')(reason);
      assert.doesNotMatch((reason as OctavoError).message, /secret/);
      return true;
    });
  },
  'validation, with the field': async ({ client, service }) => {
    await assert.rejects(client.echo({ count: -1 }), (reason) => {
      failing('invalid_argument')(reason);
      const fields = (reason as OctavoError).violations.map(({ field }) => field);
      assert.deepEqual(fields, ['count']);
      return true;
    });
    assert.equal(service.handled, 0);
  },
  metadata: async ({ client }) => {
    const metadata = { 'Foo-Bar': 'é 日本', Many: ['a', 'b'], 'Raw-Bin': Uint8Array.of(0, 10, 255) };
    const { tags } = await client.facts({}, { metadata });
    assert.deepEqual(tags, ['foo-bar=é 日本', 'many=a', 'many=b', 'raw-bin=AAr/']);
  },
  'metadata of the reply': async ({ client }) => {
    let header: Metadata | undefined;
    let trailer: Metadata | undefined;
    await client.facts({}, { onHeader: (it) => (header = it), onTrailer: (it) => (trailer = it) });
    assert.deepEqual([header?.get('reply-header'), header?.getAll('many')], ['é', ['1', '2']]);
    assert.equal(trailer?.get('reply-trailer'), 'end');
  },
  'deadline travels': async ({ client }) => {
    const { count } = await client.facts({}, { timeoutMs: 60_000 });
    assert.ok(count > 30_000 && count <= 60_000, String(count));
  },
  'deadline ends the call at both ends': async ({ client, service }) => {
    await assert.rejects(client.wait({}, { timeoutMs: 200 }), failing('deadline_exceeded'));
    assert.match(await service.cancelled.next(), /^(cancelled|deadline_exceeded)$/);
  },
  'cancelling a call cancels its handler': async ({ client, service }) => {
    const abort = new AbortController();
    const call = client.wait({}, { signal: abort.signal, timeoutMs: 0 });
    await begun(service, call);
    abort.abort();
    await assert.rejects(call, failing('cancelled'));
    assert.equal(await service.cancelled.next(), 'cancelled');
  },
  'leaving a stream cancels its handler': async ({ client, service }) => {
    for await (const _ of client.list({ text: 'wait', count: 1 })) break;
    assert.equal(await service.cancelled.next(), 'cancelled');
  },
  'a slow reader holds up the producer': async ({ client, service }) => {
    const stream = client.flood({})[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value?.count, 1);
    const produced = await settled(() => service.produced);
    assert.ok(produced < 20_000, `${produced} items of a kilobyte wait`);
    for (let n = 2; n <= produced + 10; n++) assert.equal((await stream.next()).value?.count, n);
    await stream.return?.();
  },
  'a slow handler holds up the caller': async ({ client, service }) => {
    let sent = 0;
    async function* parcels(): AsyncIterable<{ text: string }> {
      for (;;) {
        sent++;
        yield { text: 'x'.repeat(1_000) };
      }
    }
    const reply = client.hold(parcels());
    const go = await begun(service, reply);
    const held = await settled(() => sent);
    assert.ok(held < 20_000, `${held} items of a kilobyte wait`);
    go();
    assert.equal((await reply).count, 1);
  },
  'a request over the limit is refused, and no other': async ({ client, service }) => {
    const large = client.echo({ text: 'x'.repeat(MOST_BYTES + 1_000) });
    await assert.rejects(large, failing('resource_exhausted'));
    assert.equal(service.handled, 0);
    assert.equal((await client.echo({ count: 2 })).count, 2);
  },
  'a reply over the limit is refused, and no other': async ({ client }) => {
    await assert.rejects(client.fill({ count: MOST_BYTES + 1_000 }), failing('resource_exhausted'));
    assert.equal((await client.fill({ count: 1_000 })).text.length, 1_000);
  },
  'a wrapper refuses before the body is decoded': async (rig) => {
    rig.around = () => Promise.reject(new OctavoError('permission_denied', 'not you'));
    await assert.rejects(rig.client.echo({ count: -1 }), failing('permission_denied', /^not you$/));
    assert.equal(rig.service.handled, 0);
  },
  'a wrapper adds to the reply': async (rig) => {
    rig.around = async (call, next) => {
      const reply = await next(call);
      call.context.reply.trailer.append('Added', call.endpoint);
      return reply;
    };
    let trailer: Metadata | undefined;
    await rig.client.echo({}, { onTrailer: (it) => (trailer = it) });
    assert.equal(trailer?.get('added'), 'Matrix.Echo');
  },
  'a call in flight is finished by a stop': async ({ client, service, stop }) => {
    const call = client.wait({});
    const go = await begun(service, call);
    const stopped = stop();
    setImmediate(go);
    assert.equal((await call).text, 'released');
    await stopped;
  },
} satisfies Record<string, Feature>;

export type FeatureName = keyof typeof FEATURES;
