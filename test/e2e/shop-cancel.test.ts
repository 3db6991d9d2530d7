import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { CallOptions } from '../../src/client/client.js';
import { OctavoError } from '../../src/core/error.js';
import { withChain, type Ask, type Chain, type FirstClient, type Visit } from '../support/hops.js';

/** From the caller's end of a call to the signal of the third hop, in milliseconds. */
const MOST_MS = 100;
/** How many calls may be made until one is in time: the machine may have other things to do. */
const TRIES = 3;
/** The deadline of calls that end by one, in milliseconds. */
const TIMEOUT_MS = 250;
/** How long anything else may take, in milliseconds. */
const PATIENCE_MS = 5_000;

/** How a call is ended, and how that looks to its caller. */
const ENDINGS = {
  signal: 'cancelled',
  deadline: 'deadline_exceeded',
  break: 'ok',
  throw: 'data_loss',
} as const;
type Ending = keyof typeof ENDINGS;

/** A call under way. */
interface Running {
  readonly outcome: Promise<unknown>;
  /** Breaks out of the loop over the replies. */
  readonly leave: () => void;
}

interface Shape {
  readonly begin: (caller: FirstClient, options: CallOptions, asks: Asks) => Running;
  readonly endings: readonly Ending[];
  /** How much of a stream flows before it is ended: until so many messages have passed, or until everything is full. */
  readonly flows?: number | 'full';
  /** Whether the caller is in the body of its loop: it hears nothing before it goes on, and then it leaves. */
  readonly busy?: true;
}

/** What a caller sends on a stream. */
class Asks {
  /** How many were taken. */
  taken = 0;
  #fail = (_reason: Error): void => {};
  readonly #failed = new Promise<never>((_, reject) => (this.#fail = reject));

  constructor() {
    this.#failed.catch(() => {});
  }

  /** One, and then nothing for a long time. */
  async *one(ask: Ask): AsyncIterable<Ask> {
    yield ask;
    await this.#failed;
  }

  async *endless(ask: Ask): AsyncIterable<Ask> {
    for (; ; this.taken++) yield ask;
  }

  /** Makes {@link one} throw. */
  fail(): void {
    this.#fail(new OctavoError('data_loss', 'the file ended in the middle'));
  }
}

/** A call whose outcome is one reply. */
function single(outcome: Promise<unknown>): Running {
  return { outcome, leave() {} };
}

/** Waits for the next reply whenever it has one, until it is told to leave. */
function reading(replies: AsyncIterable<unknown>): Running {
  let leave = (): void => {};
  const left = new Promise<undefined>((resolve) => (leave = () => resolve(undefined)));
  const iterator = replies[Symbol.asyncIterator]();
  const outcome = (async () => {
    for (;;) {
      const step = await Promise.race([left, iterator.next()]);
      if (step === undefined || step.done === true) break;
    }
    await iterator.return?.();
  })();
  return { outcome, leave };
}

/** Takes one reply, and no more until it is told to leave. */
function busy(replies: AsyncIterable<unknown>): Running {
  let leave = (): void => {};
  const left = new Promise<void>((resolve) => (leave = resolve));
  const outcome = (async () => {
    for await (const _ of replies) {
      await left;
      break;
    }
  })();
  return { outcome, leave };
}

const WAIT = { text: 'wait', count: 1 };
/** Enough to fill every buffer on the way soon. */
const PAGE = 'x'.repeat(50_000);
const FLOOD = { text: `flood${PAGE}`, count: 1 };
const UNREAD = { text: `wait${PAGE}`, count: 1 };

/** The kinds of call, each in every state that a stream can be in when it is ended. */
const SHAPES = {
  'a unary call': {
    begin: (caller, options) => single(caller.ask(WAIT, options)),
    endings: ['signal', 'deadline'],
  },
  'a server stream': {
    begin: (caller, options) => reading(caller.list(WAIT, options)),
    endings: ['signal', 'deadline', 'break'],
  },
  'a server stream that flows': {
    begin: (caller, options) => reading(caller.list(FLOOD, options)),
    endings: ['signal', 'deadline', 'break'],
    flows: 100,
  },
  'a server stream that nobody reads': {
    begin: (caller, options) => busy(caller.list(FLOOD, options)),
    endings: ['signal', 'deadline', 'break'],
    flows: 'full',
    busy: true,
  },
  'a client stream': {
    begin: (caller, options, asks) => single(caller.gather(asks.one(WAIT), options)),
    endings: ['signal', 'deadline', 'throw'],
  },
  'a client stream, half-closed': {
    begin: (caller, options) => single(caller.gather([WAIT], options)),
    endings: ['signal', 'deadline'],
  },
  'a client stream that flows': {
    begin: (caller, options, asks) => single(caller.gather(asks.endless(FLOOD), options)),
    endings: ['signal', 'deadline'],
    flows: 100,
  },
  'a client stream that nobody reads': {
    begin: (caller, options, asks) => single(caller.gather(asks.endless(UNREAD), options)),
    endings: ['signal', 'deadline'],
    flows: 'full',
  },
  'a bidi stream': {
    begin: (caller, options, asks) => reading(caller.talk(asks.one(WAIT), options)),
    endings: ['signal', 'deadline', 'break', 'throw'],
  },
  'a bidi stream, half-closed': {
    begin: (caller, options) => reading(caller.talk([WAIT], options)),
    endings: ['signal', 'deadline', 'break'],
  },
  'a bidi stream that flows': {
    begin: (caller, options, asks) => reading(caller.talk(asks.endless(FLOOD), options)),
    endings: ['signal', 'deadline', 'break'],
    flows: 100,
  },
  'a bidi stream whose replies nobody reads': {
    begin: (caller, options, asks) => busy(caller.talk(asks.endless(FLOOD), options)),
    endings: ['signal', 'deadline', 'break'],
    flows: 'full',
    busy: true,
  },
  'a bidi stream whose requests nobody reads': {
    begin: (caller, options, asks) => reading(caller.talk(asks.endless(UNREAD), options)),
    endings: ['signal', 'deadline', 'break'],
    flows: 'full',
  },
} satisfies Record<string, Shape>;

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

/** Goes round the event loop until something is so. */
async function until(what: string, so: () => boolean): Promise<void> {
  const begin = performance.now();
  while (!so()) {
    assert.ok(performance.now() - begin < PATIENCE_MS, `not within ${PATIENCE_MS} ms: ${what}`);
    await turns(1);
  }
}

/** Waits until a stream has got going, or has come to a halt everywhere; or the deadline was faster. */
async function flowing({ flows }: Shape, { third }: Chain, { context }: Visit, asks: Asks): Promise<void> {
  const over = (): boolean => context.cancelled !== undefined;
  const begin = third.messages;
  if (typeof flows === 'number')
    await until(`${flows} messages`, () => third.messages - begin >= flows || over());
  if (flows !== 'full') return;
  for (let seen = -1; seen !== third.messages + asks.taken && !over();) {
    seen = third.messages + asks.taken;
    await turns(200);
  }
}

/** How a call ended: the code of its error. */
async function codeOf(outcome: Promise<unknown>): Promise<string> {
  try {
    await outcome;
    return 'ok';
  } catch (reason) {
    return reason instanceof OctavoError ? reason.code : `no OctavoError: ${String(reason)}`;
  }
}

async function everybodyLeft({ first, second, third }: Chain): Promise<void> {
  await until('every handler ends', () => [first, second, third].every(({ running }) => running === 0));
}

/** Begins a call, ends it, and gives the time that the third hop took to hear of it, in milliseconds. */
async function ended(chain: Chain, shape: Shape, ending: Ending): Promise<number> {
  const { caller, third } = chain;
  const asks = new Asks();
  const abort = new AbortController();
  const options = ending === 'deadline' ? { timeoutMs: TIMEOUT_MS } : { signal: abort.signal };
  const deadline = performance.now() + TIMEOUT_MS;
  const { outcome, leave } = shape.begin(caller, options, asks);
  const code = codeOf(outcome);
  const visit = await third.visits.next();
  await flowing(shape, chain, visit, asks);
  const endedAt = ending === 'deadline' ? deadline : performance.now();
  if (ending === 'signal') abort.abort();
  if (ending === 'break') leave();
  if (ending === 'throw') asks.fail();
  const lag = (await visit.fired) - endedAt;
  if (shape.busy) leave();
  assert.equal(await code, shape.busy ? 'ok' : ENDINGS[ending]);
  await everybodyLeft(chain);
  return lag;
}

async function inTime(t: TestContext, lagOf: () => Promise<number>): Promise<void> {
  let least = Infinity;
  for (let n = 0; n < TRIES && least > MOST_MS; n++) {
    const lag = await lagOf();
    t.diagnostic(`${lag.toFixed(1)} ms`);
    least = Math.min(least, lag);
  }
  assert.ok(least <= MOST_MS, `it took ${least.toFixed(1)} ms`);
}

describe('while a call through three services runs, its end reaches the third within 100 ms:', () => {
  for (const [name, shape] of Object.entries<Shape>(SHAPES))
    for (const ending of shape.endings)
      it(`${name}, by ${ending}`, (t) => withChain((chain) => inTime(t, () => ended(chain, shape, ending))));
});

const KINDS = ['a unary call', 'a server stream', 'a client stream', 'a bidi stream'] as const;

describe('before the third service has a call,', () => {
  for (const name of KINDS) {
    const shape: Shape = SHAPES[name];
    it(`${name}: nobody hears of one that was aborted before it was made`, () =>
      withChain(async ({ caller, first, third }) => {
        const { outcome } = shape.begin(caller, { signal: AbortSignal.abort() }, new Asks());
        assert.equal(await codeOf(outcome), 'cancelled');
        await caller.ask({ text: 'another' });
        assert.deepEqual([first.entered, third.entered], [1, 1]);
      }));

    it(`${name}: wherever one is when it is aborted, nobody goes on`, () =>
      withChain(async (chain) => {
        const { caller, third, logs } = chain;
        const times = 40;
        for (let n = 0; n < times; n++) {
          const abort = new AbortController();
          const { outcome } = shape.begin(caller, { signal: abort.signal }, new Asks());
          const code = codeOf(outcome);
          await turns(n);
          abort.abort();
          assert.equal(await code, 'cancelled');
          await everybodyLeft(chain);
        }
        const reached = third.entered;
        assert.ok(reached > 0 && reached < times, `${reached} of ${times} reached the third`);
        assert.equal((await caller.ask({ text: 'another' })).text, 'another');
        assert.deepEqual(
          logs.records.filter(({ level }) => level === 'warn' || level === 'error'),
          [],
        );
      }));
  }

  it('a loop that is left before its first reply opens nothing', () =>
    withChain(async ({ caller, first }) => {
      for (const replies of [caller.list(WAIT), caller.talk([WAIT])])
        await replies[Symbol.asyncIterator]().return?.();
      await caller.ask({ text: 'another' });
      assert.equal(first.entered, 1);
    }));
});

describe('after a call through three services,', () => {
  const DONE = { text: 'done', count: 2 };
  const whole: Readonly<Record<(typeof KINDS)[number], Shape['begin']>> = {
    'a unary call': (caller, options) => single(caller.ask(DONE, options)),
    'a server stream': (caller, options) => reading(caller.list(DONE, options)),
    'a client stream': (caller, options) => single(caller.gather([DONE, DONE], options)),
    'a bidi stream': (caller, options) => reading(caller.talk([DONE, DONE], options)),
  };
  for (const name of KINDS)
    it(`${name}: neither an abort nor the deadline fires a signal`, () =>
      withChain(async (chain) => {
        const { caller, third } = chain;
        const abort = new AbortController();
        const options = { signal: abort.signal, timeoutMs: TIMEOUT_MS };
        assert.equal(await codeOf(whole[name](caller, options, new Asks()).outcome), 'ok');
        const { context } = await third.visits.next();
        abort.abort();
        await everybodyLeft(chain);
        // Its deadline passes while another call, of a later one, waits for its own.
        assert.equal(await codeOf(caller.ask(WAIT, { timeoutMs: TIMEOUT_MS })), 'deadline_exceeded');
        assert.deepEqual([context.cancelled, context.signal.aborted], [undefined, false]);
      }));
});
