import assert from 'node:assert/strict';
import { Context } from '../../src/core/context.js';
import { ConsoleLogger } from '../../src/core/console-logger.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { SystemClock } from '../../src/core/system-clock.js';
import type { Call, Reply, Wrapper } from '../../src/wrapper/wrapper.js';
import type { Suite } from './conform.js';

/** A wrapper under test, which lets these calls through. */
export interface WrapperSubject {
  readonly wrapper: Wrapper;
  /** Of what its calls are. @defaultValue `'server'` */
  readonly side?: Call['side'];
}

function call(more: Partial<Call> = {}): Call {
  const metadata = new Metadata({ From: 'x' });
  const context = new Context({
    service: 'greeter',
    endpoint: 'Greeter.Hello',
    clock: new SystemClock(),
    logger: new ConsoleLogger({ write: () => {} }),
    metadata,
    peer: { address: '127.0.0.1:1', octavo: true },
  });
  const base = { side: 'server', kind: 'unary', service: 'greeter', endpoint: 'Greeter.Hello' } as const;
  return { ...base, context, metadata, request: { name: 'Ada' }, idempotent: false, ...more };
}

/** The promises of a `Wrapper` to the calls that it lets through. */
export const wrapperSuite = {
  'the reply of what it stands around is its own': async ({ wrapper, side = 'server' }) => {
    const reply: Reply = {
      body: { message: 'x' },
      header: new Metadata({ a: 'b' }),
      trailer: new Metadata(),
    };
    const got = await wrapper(call({ side }), async () => reply);
    assert.deepEqual([got.body, got.header?.get('a')], [reply.body, 'b']);
  },
  'what it stands around is called once, with a call that says the same': async ({
    wrapper,
    side = 'server',
  }) => {
    const calls: Call[] = [];
    const sent = call({ side });
    await wrapper(sent, async (it) => {
      calls.push(it);
      return { body: undefined };
    });
    assert.equal(calls.length, 1);
    assert.deepEqual(
      [calls[0]?.service, calls[0]?.endpoint, calls[0]?.context],
      [sent.service, sent.endpoint, sent.context],
    );
  },
  'an error keeps its code, message and details': async ({ wrapper, side = 'server' }) => {
    const thrown = new OctavoError('not_found', 'no', { details: [{ type: 'x' }] });
    await assert.rejects(
      wrapper(call({ side }), () => Promise.reject(thrown)),
      (reason) =>
        reason instanceof OctavoError && reason.code === 'not_found' && reason.details[0]?.type === 'x',
    );
  },
  'a stream’s items flow through, in order, and leaving them is told': async ({
    wrapper,
    side = 'server',
  }) => {
    let left = false;
    async function* items(): AsyncIterable<number> {
      try {
        yield 1;
        yield 2;
        yield 3;
      } finally {
        left = true;
      }
    }
    const { body } = await wrapper(call({ kind: 'server', side }), async () => ({ body: items() }));
    const seen: unknown[] = [];
    for await (const item of body as AsyncIterable<unknown>) if (seen.push(item) === 2) break;
    assert.deepEqual([seen, left], [[1, 2], true]);
  },
  'a stream that is left before its first item is left': async ({ wrapper, side = 'server' }) => {
    let left = false;
    const items: AsyncIterableIterator<unknown> = {
      next: async () => ({ done: false, value: 1 }),
      async return() {
        left = true;
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => items,
    };
    const { body } = await wrapper(call({ kind: 'server', side }), async () => ({ body: items }));
    await (body as AsyncIterable<unknown>)[Symbol.asyncIterator]().return?.();
    assert.equal(left, true);
  },
  'an event without a reply passes': async ({ wrapper, side = 'server' }) => {
    if (side === 'client') return; // What is for calls alone is refused around events.
    const delivered = call({
      kind: 'event',
      endpoint: 'greetings',
      side: 'server',
      subscriber: 'Greeter.OnGreeting',
    });
    const published = call({ kind: 'event', endpoint: 'greetings', side: 'client', service: '' });
    for (const event of [delivered, published])
      assert.equal((await wrapper(event, async () => ({ body: undefined }))).body, undefined);
  },
} satisfies Suite<WrapperSubject>;
