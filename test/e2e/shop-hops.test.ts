import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CallOptions } from '../../src/client/client.js';
import { invalidArgument, OctavoError } from '../../src/core/error.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { withChain, type Ask, type Chain, type FirstClient } from '../support/hops.js';

type Calling = (caller: FirstClient, ask: Ask, options?: CallOptions) => Promise<unknown>;

async function all(replies: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of replies);
}

/** One call of each kind. */
const KINDS: Readonly<Record<string, Calling>> = {
  'a unary call': (caller, ask, options) => caller.ask(ask, options),
  'a server stream': (caller, ask, options) => all(caller.list(ask, options)),
  'a client stream': (caller, ask, options) => caller.gather([ask], options),
  'a bidi stream': (caller, ask, options) => all(caller.talk([ask], options)),
};

const ASK = { text: 'hello', count: 1 };
const FAIL = { text: 'fail', count: 1 };

/** What the three handlers know of the call that was made last. */
async function visits({ first, second, third }: Chain) {
  return Promise.all([first, second, third].map(({ visits: each }) => each.next()));
}

/** What a call is refused with. */
async function refusal(outcome: Promise<unknown>): Promise<OctavoError> {
  const reason: unknown = await outcome.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  );
  assert.ok(reason instanceof OctavoError);
  return reason;
}

for (const [name, make] of Object.entries(KINDS))
  describe(`${name} through three services`, () => {
    it('has less time at each hop, by what the ones before took', async () => {
      const clock = new VirtualClock();
      await withChain(
        async (chain) => {
          chain.first.before = () => clock.advance(300);
          chain.second.before = () => clock.advance(200);
          await make(chain.caller, ASK, { timeoutMs: 1_000 });
          const remaining = (await visits(chain)).map(({ remainingMs }) => remainingMs);
          assert.deepEqual(remaining, [1_000, 700, 500]);
        },
        { clock: () => clock },
      );
    });

    it('keeps the shorter deadline where a hop has one of its own', async () => {
      const clock = new VirtualClock();
      await withChain(
        async (chain) => {
          chain.first.options = { timeoutMs: 10_000 };
          chain.second.options = { timeoutMs: 50 };
          await make(chain.caller, ASK, { timeoutMs: 1_000 });
          const remaining = (await visits(chain)).map(({ remainingMs }) => remainingMs);
          assert.deepEqual(remaining, [1_000, 1_000, 50]);
        },
        { clock: () => clock },
      );
    });

    it('never reaches the third when the time is up at the second', async () => {
      const clock = new VirtualClock();
      await withChain(
        async (chain) => {
          chain.first.before = () => clock.advance(100);
          chain.second.before = () => clock.advance(100);
          const { code } = await refusal(make(chain.caller, ASK, { timeoutMs: 150 }));
          assert.equal(code, 'deadline_exceeded');
          const { first, second, third } = chain;
          assert.deepEqual([first.entered, second.entered, third.entered], [1, 1, 0]);
        },
        { clock: () => clock },
      );
    });

    it('hands on no metadata by itself', () =>
      withChain(async (chain) => {
        await make(chain.caller, ASK, { metadata: { Authorization: 'Bearer secret', Tenant: 'acme' } });
        const seen = (await visits(chain)).map(({ context: { metadata } }) => [...metadata]);
        assert.deepEqual(seen, [
          [
            ['Authorization', 'Bearer secret'],
            ['Tenant', 'acme'],
          ],
          [],
          [],
        ]);
      }));

    it('hands on the metadata that the hops list, and no other', () =>
      withChain(
        async (chain) => {
          const metadata = { Authorization: 'Bearer secret', Tenant: ['acme', 'é'], Other: 'x' };
          await make(chain.caller, ASK, { metadata });
          const seen = (await visits(chain)).map(({ context: { metadata: each } }) => [
            each.get('Authorization'),
            each.getAll('Tenant'),
            each.get('Other'),
          ]);
          assert.deepEqual(seen, [
            ['Bearer secret', ['acme', 'é'], 'x'],
            [undefined, ['acme', 'é'], undefined],
            [undefined, ['acme', 'é'], undefined],
          ]);
        },
        { forward: ['tenant'] },
      ));

    it('hands on Authorization where it is listed', () =>
      withChain(
        async (chain) => {
          await make(chain.caller, ASK, { metadata: { Authorization: 'Bearer secret' } });
          const seen = (await visits(chain)).map(({ context }) => context.metadata.get('authorization'));
          assert.deepEqual(seen, ['Bearer secret', 'Bearer secret', 'Bearer secret']);
        },
        { forward: ['Authorization'] },
      ));

    it('fails with the code, message, details and retryability that the third gave', () =>
      withChain(async ({ caller, third }) => {
        const details = [{ type: 'not_enough', article: 'té', wanted: 5, left: [1, { deep: null }] }];
        third.failure = () =>
          new OctavoError('resource_exhausted', 'only 1 té is left', {
            details,
            retryable: false,
            cause: new Error('a secret of the house'),
          });
        const error = await refusal(make(caller, FAIL));
        assert.deepEqual(
          [error.code, error.message, error.details, error.retryable],
          ['resource_exhausted', 'only 1 té is left', details, false],
        );
        assert.equal(error.cause, undefined);
      }));

    it('fails with the violations that the third found', () =>
      withChain(async ({ caller, third }) => {
        const violations = [{ field: 'lines[2].count', description: 'must be positive' }];
        third.failure = () => invalidArgument('lines[2].count: must be positive', violations);
        const error = await refusal(make(caller, FAIL));
        assert.deepEqual([error.code, error.violations], ['invalid_argument', violations]);
      }));

    it('fails with the one id under which the third logged what it threw', () =>
      withChain(async ({ caller, third, logs }) => {
        third.failure = () => new Error('a secret of the house');
        const { code, message } = await refusal(make(caller, FAIL));
        const thrown = logs.records.filter(({ level }) => level === 'error');
        assert.deepEqual([code, thrown.map(({ fields }) => fields['service'])], ['internal', ['third']]);
        assert.equal(
          message,
          `internal error ${String(thrown[0]?.fields['id'])}: the log of third has it under this id`,
        );
      }));

    it('was executed, though the third was not there', () =>
      withChain(async (chain) => {
        await chain.cut();
        const error = await refusal(make(chain.caller, ASK));
        assert.deepEqual([error.code, error.executed], ['unavailable', undefined]);
        assert.match(error.message, /no node of "third"/);
        assert.deepEqual([chain.first.entered, chain.second.entered], [1, 1]);
      }));
  });
