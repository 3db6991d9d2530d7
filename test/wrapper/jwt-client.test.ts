import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { Context } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { jwtClient, type JwtClientOptions, type JwtToken } from '../../src/wrapper/jwt.js';
import type { Call, Wrapper } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, Wrapping } from '../support/wrapping.js';

/** Gives tokens that are good for a minute: `t1`, `t2` and so on. */
class Bank {
  readonly clock: VirtualClock;
  asked = 0;
  fails: unknown;
  hold: Promise<void> | undefined;
  lifeMs: number | undefined = 60_000;
  signal: AbortSignal | undefined;

  constructor(clock = new VirtualClock()) {
    this.clock = clock;
  }

  readonly token = async (signal: AbortSignal): Promise<JwtToken> => {
    const token = `t${++this.asked}`;
    this.signal = signal;
    await this.hold;
    if (this.fails !== undefined) throw this.fails;
    return { token, ...(this.lifeMs !== undefined && { expiresAt: this.clock.now() + this.lifeMs }) };
  };
}

/** What is sent with a call. */
async function sent(
  wrapper: Wrapper,
  clock: VirtualClock,
  more: Partial<Call> = {},
): Promise<string | undefined> {
  const call = aCall(clock, { side: 'client', ...more });
  const { body } = await wrapper(call, async ({ metadata }) => ({ body: metadata.get('authorization') }));
  return body as string | undefined;
}

describe('jwtClient', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: jwtClient({ token: 'abc' }),
    side: 'client',
  }));

  it('sends the token that it was given', async () => {
    assert.equal(await sent(jwtClient({ token: 'a.b.c' }), new VirtualClock()), 'Bearer a.b.c');
  });

  it('asks for a token when the first call needs one, once for all that wait', async () => {
    const bank = new Bank();
    const wrapper = jwtClient({ token: bank.token });
    assert.equal(bank.asked, 0);
    const all = await Promise.all(Array.from({ length: 20 }, () => sent(wrapper, bank.clock)));
    assert.deepEqual([new Set(all), bank.asked], [new Set(['Bearer t1']), 1]);
  });

  it('replaces a token before its end, while calls go on with the old one', async () => {
    const bank = new Bank();
    const { clock } = bank;
    const wrapper = jwtClient({ token: bank.token, refreshBeforeMs: 10_000 });
    await sent(wrapper, clock);
    await clock.advance(49_999);
    assert.equal(await sent(wrapper, clock), 'Bearer t1');
    assert.equal(bank.asked, 1);
    let release = (): void => {};
    bank.hold = new Promise((resolve) => (release = resolve));
    await clock.advance(1);
    for (let n = 0; n < 5; n++) assert.equal(await sent(wrapper, clock), 'Bearer t1');
    assert.equal(bank.asked, 2);
    release();
    await clock.advance(0);
    assert.equal(await sent(wrapper, clock), 'Bearer t2');
  });

  it('asks for no token again and again that lives shortly', async () => {
    const bank = new Bank();
    bank.lifeMs = 10_000;
    const wrapper = jwtClient({ token: bank.token, refreshBeforeMs: 30_000 });
    for (let n = 0; n < 50; n++) await sent(wrapper, bank.clock);
    assert.equal(bank.asked, 1);
  });

  it('waits for a token where the old one is over', async () => {
    const bank = new Bank();
    const wrapper = jwtClient({ token: bank.token });
    await sent(wrapper, bank.clock);
    await bank.clock.advance(60_000);
    assert.equal(await sent(wrapper, bank.clock), 'Bearer t2');
  });

  it('goes on with the old token while there is no new one, and then fails without asking all the time', async () => {
    const bank = new Bank();
    const { clock } = bank;
    const wrapper = jwtClient({ token: bank.token });
    await sent(wrapper, clock);
    bank.fails = new Error('no such user');
    await clock.advance(59_000);
    assert.equal(await sent(wrapper, clock), 'Bearer t1');
    await clock.advance(1_000);
    const failed = has('unavailable', { executed: false, message: 'no token could be had: no such user' });
    await assert.rejects(sent(wrapper, clock), failed);
    const { asked } = bank;
    for (let n = 0; n < 20; n++) await assert.rejects(sent(wrapper, clock), failed);
    assert.equal(bank.asked, asked);
    bank.fails = undefined;
    await clock.advance(1_000);
    assert.match((await sent(wrapper, clock)) ?? '', /^Bearer t/);
  });

  it('gives up a question for a token that takes too long, and says so to whoever was asked', async () => {
    const bank = new Bank();
    bank.hold = new Promise(() => {});
    const call = sent(jwtClient({ token: bank.token, timeoutMs: 2_000 }), bank.clock);
    const failed = assert.rejects(call, has('unavailable', { executed: false }));
    await bank.clock.advance(2_000);
    await failed;
    assert.equal(bank.signal?.aborted, true);
    assert.equal(bank.clock.pending, 0);
  });

  it('sends nothing that is no token, and does not show it', async () => {
    const clock = new VirtualClock();
    for (const token of ['', 'a b', 'hunter2\r\nx: y', 'hunter2\0', 'é', 7 as unknown as string]) {
      const refused = (error: unknown): boolean =>
        error instanceof OctavoError &&
        error.code === 'invalid_argument' &&
        !error.message.includes('hunter2');
      assert.throws(() => jwtClient({ token }), refused);
      await assert.rejects(sent(jwtClient({ token: async () => ({ token }) }), clock), refused);
    }
    const never = jwtClient({ token: async () => ({ token: 'a', expiresAt: Number.NaN }) });
    await assert.rejects(sent(never, clock), has('invalid_argument'));
  });

  it('leaves a token alone that the call was given, and of several wrappers the innermost one counts', async () => {
    const clock = new VirtualClock();
    const outer = jwtClient({ token: 'outer' });
    const inner = jwtClient({ token: 'inner' });
    const both: Wrapper = (call, next) => outer(call, (it) => inner(it, next));
    assert.equal(await sent(both, clock), 'Bearer inner');
    const call = aCall(clock, { side: 'client' });
    call.metadata.set('Authorization', 'Basic abc');
    await both(call, async () => ({ body: undefined }));
    assert.equal(call.metadata.get('authorization'), 'Basic abc');
    assert.equal(call.tries, undefined);
  });

  it('asks for its token outside of whatever call needs it', async () => {
    const { clock } = new Bank();
    let within: Context | undefined;
    const wrapper = jwtClient({
      token: async () => {
        within = Context.current();
        return { token: 'a' };
      },
    });
    const { context } = aCall(clock);
    await context.run(async () => {
      await sent(wrapper, clock);
      assert.equal(Context.current(), context);
    });
    assert.equal(within, undefined);
  });

  it('stands around no handler', () => {
    const wrapper = jwtClient({ token: 'abc' });
    assert.match(wrapper.unfit?.({ around: 'handler', name: 'a' }) ?? '', /put it on a client/);
    assert.equal(wrapper.unfit?.({ around: 'attempt', name: 'a client' }), undefined);
  });
});

describe('jwtClient, refused', () => {
  /** A server that takes only some tokens. */
  class Door {
    good = 't2';
    readonly came: string[] = [];
    executed: false | undefined = false;

    readonly wrapper: Wrapper = async (call, next) => {
      const token = (call.metadata.get('authorization') ?? '').replace('Bearer ', '');
      this.came.push(token);
      if (token === this.good) return next(call);
      throw new OctavoError('unauthenticated', 'not by this token', {
        ...(this.executed === false && { executed: false }),
      });
    };
  }

  async function opened(
    place: 'wrappers' | 'callWrappers',
    door: Door,
    options: Partial<JwtClientOptions> = {},
  ): Promise<{ app: Wrapping; bank: Bank } & AsyncDisposable> {
    const bank = new Bank();
    bank.lifeMs = undefined;
    const wrapper = jwtClient({ token: bank.token, ...options });
    const app = await Wrapping.start({
      client: { [place]: [wrapper], retries: 0 },
      server: { wrappers: [door.wrapper] },
    });
    return { app, bank, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
  }

  for (const place of ['wrappers', 'callWrappers'] as const) {
    it(`sends the call again with a new token, once, from ${place}`, async () => {
      const door = new Door();
      await using rig = await opened(place, door);
      // What is not executed may be sent again, idempotent or not.
      assert.equal((await rig.app.client.echo({ text: 'x' })).text, 'x');
      assert.deepEqual(door.came, ['t1', 't2']);
      assert.equal((await rig.app.client.echo({ text: 'y' })).text, 'y');
      assert.deepEqual(door.came, ['t1', 't2', 't2']);
    });

    it(`opens a stream again likewise, from ${place}`, async () => {
      const door = new Door();
      await using rig = await opened(place, door);
      const counts: number[] = [];
      for await (const { count } of rig.app.client.count({ count: 2 })) counts.push(count);
      assert.deepEqual(counts, [1, 2]);
      assert.deepEqual(door.came, ['t1', 't2']);
      door.good = 't3';
      await rig.app.clock.advance(10_000);
      assert.equal((await rig.app.client.sum([{ count: 1 }, { count: 2 }])).count, 3);
      assert.deepEqual(door.came, ['t1', 't2', 't2', 't3']);
    });

    it(`does not go on where the new token is refused too, from ${place}`, async () => {
      const door = new Door();
      door.good = 'none of them';
      await using rig = await opened(place, door);
      await assert.rejects(rig.app.client.echo({}), has('unauthenticated'));
      assert.deepEqual(door.came, ['t1', 't2']);
      // A new token was had just now, so there is no use in asking for another.
      for (let n = 0; n < 5; n++) await assert.rejects(rig.app.client.echo({}), has('unauthenticated'));
      assert.equal(rig.bank.asked, 2);
      assert.equal(door.came.length, 7);
      await rig.app.clock.advance(10_000);
      door.good = 't3';
      await rig.app.client.echo({});
    });
  }

  it('has a new token for the next stream where one was refused that may have been executed', async () => {
    const door = new Door();
    door.executed = undefined;
    await using rig = await opened('wrappers', door);
    await assert.rejects(rig.app.client.sum([{ count: 1 }]), has('unauthenticated'));
    assert.equal((await rig.app.client.sum([{ count: 1 }, { count: 2 }])).count, 3);
    assert.deepEqual(door.came, ['t1', 't2']);
  });

  it('asks for one new token for all calls that were refused', async () => {
    const door = new Door();
    await using rig = await opened('wrappers', door);
    await Promise.all(Array.from({ length: 10 }, () => rig.app.client.echo({})));
    assert.equal(rig.bank.asked, 2);
  });

  it('does not send again what may have been executed, unless it is idempotent', async () => {
    const door = new Door();
    door.executed = undefined;
    const failing: Wrapper = async (call, next) => {
      call.context.handled = true; // As where a handler throws it.
      return door.wrapper(call, next);
    };
    const bank = new Bank();
    await using app = await Wrapping.start({
      client: { wrappers: [jwtClient({ token: bank.token })], retries: 0 },
      server: { wrappers: [failing] },
    });
    await assert.rejects(app.client.echo({}), has('unauthenticated'));
    assert.deepEqual(door.came, ['t1']);
    door.good = 't3';
    await app.clock.advance(10_000);
    // The token was replaced all the same.
    await app.client.again({});
    assert.deepEqual(door.came, ['t1', 't2', 't3']);
  });

  it('stays within the budget for retries', async () => {
    const door = new Door();
    door.good = 'none of them';
    let asked = 0;
    const wrapper = jwtClient({ token: async () => ({ token: `t${++asked}` }), cooldownMs: 0 });
    await using app = await Wrapping.start({
      client: { wrappers: [wrapper], retryBudget: { minimum: 3, ratio: 0 } },
      server: { wrappers: [door.wrapper] },
    });
    for (let n = 0; n < 10; n++) await assert.rejects(app.client.echo({}), has('unauthenticated'));
    assert.equal(door.came.length, 13);
  });

  it('says in the log that there is no token, and fails with what the server said', async () => {
    const door = new Door();
    await using rig = await opened('wrappers', door);
    await rig.app.client.echo({});
    door.good = 't9';
    rig.bank.fails = new Error('down');
    await rig.app.clock.advance(10_000);
    await assert.rejects(rig.app.client.echo({}), has('unauthenticated'));
    assert.ok(rig.app.logs instanceof TestLogger);
    assert.ok(rig.app.logs.records.some(({ message }) => message === 'no token could be had'));
  });
});
