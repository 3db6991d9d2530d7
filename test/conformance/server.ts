import assert from 'node:assert/strict';
import type { CallOptions } from '../../src/client/client.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import type { Subscriber } from '../../src/broker/broker.js';
import type { Server, ServerOptions } from '../../src/server/server.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import type { CallSubject } from './client.js';
import type { Suite } from './conform.js';
import { Metering } from './metering.js';
import { Ask, ProbeClient } from './probe.js';

/** A server under test, running the probe service, and a client of it. */
export interface ServerSubject extends CallSubject {
  readonly server: Server;
  readonly logs: TestLogger;
  /** The nodes of the service that its registry knows. */
  nodes(): Promise<number>;
  /** Another subject, not started, whose server has these options. */
  another(options: ServerOptions): ServerSubject;
}

/** Runs with a server of these options. */
async function having(
  subject: ServerSubject,
  options: ServerOptions,
  run: (subject: ServerSubject) => Promise<void>,
): Promise<void> {
  const other = subject.another(options);
  await other.start?.();
  try {
    await run(other);
  } finally {
    await other.stop?.();
  }
}

const besides: Wrapper = async (call, next) => ({
  ...(await next(call)),
  header: new Metadata([['Beside', 'head']]),
  trailer: new Metadata([['Behind', 'end']]),
});

const refusing: Wrapper = async () => {
  throw new OctavoError('unauthenticated', 'who are you', { executed: false });
};

/** A request that breaks the rules of its class. */
const broken = { text: 'longer than it may be by its rules' };

/** Call options that note what `besides` puts there. */
function seeing(): { readonly seen: (string | undefined)[]; readonly options: CallOptions } {
  const seen: (string | undefined)[] = [];
  const options = {
    onHeader: (header: Metadata) => void seen.push(header.get('Beside')),
    onTrailer: (trailer: Metadata) => void seen.push(trailer.get('Behind')),
  };
  return { seen, options };
}

function typed({ client }: ServerSubject): ProbeClient {
  return new ProbeClient(client);
}

async function reasonOf(call: Promise<unknown>): Promise<OctavoError> {
  const reason: unknown = await call.then(
    () => assert.fail('it did not fail'),
    (it: unknown) => it,
  );
  assert.ok(reason instanceof OctavoError, String(reason));
  return reason;
}

/** The promises of `Server`, and what holds for every handler. */
export const serverSuite = {
  'is in the registry while it runs, and not before it stops to answer': async (subject) => {
    assert.equal(await subject.nodes(), 1);
    assert.ok(subject.server.node !== undefined);
    await subject.server.deregister();
    assert.equal(await subject.nodes(), 0);
    await typed(subject).echo({}, { address: subject.address });
    await subject.server.register();
    assert.equal(await subject.nodes(), 1);
    await subject.server.stop();
    assert.equal(await subject.nodes(), 0);
  },
  'stopping twice and starting again are fine': async (subject) => {
    await subject.server.stop();
    await subject.server.stop();
    await subject.server.start();
    assert.equal(await subject.nodes(), 1);
  },
  'a name that is taken is refused, and so is an endpoint after the start': ({ server }) => {
    assert.throws(
      () => server.handle([]),
      (reason) => reason instanceof OctavoError && reason.code === 'failed_precondition',
    );
  },
  'what is thrown that is no OctavoError is internal: its text stays home, and is logged once with the id that is told':
    async (subject) => {
      for (const text of ['plain', 'string', 'undefined']) {
        subject.logs.records.length = 0;
        const { code, message } = await reasonOf(typed(subject).fail({ text }));
        assert.equal(code, 'internal');
        assert.doesNotMatch(message, /secret/);
        const id = /[0-9a-f]{8}-[0-9a-f-]+/.exec(message)?.[0];
        const logged = subject.logs.records.filter(({ fields }) => fields['id'] === id);
        assert.equal(logged.length, 1);
      }
      await typed(subject).echo({});
    },
  'a reply that its type cannot hold is internal, and the server lives on': async (subject) => {
    assert.equal((await reasonOf(typed(subject).fail({ text: 'bad reply' }))).code, 'internal');
    await typed(subject).echo({});
  },
  'metadata of a reply that cannot travel fails the call and nothing else': async (subject) => {
    for (const text of ['bad header', 'bad trailer'])
      assert.equal((await reasonOf(typed(subject).context({ text }))).code, 'internal');
    assert.equal(
      (await reasonOf(typed(subject).context({ text: 'many headers' }))).code,
      'resource_exhausted',
    );
    await typed(subject).echo({});
  },
  'metadata of a stream that cannot travel fails the stream and nothing else': async (subject) => {
    for (const text of ['bad header', 'bad trailer'])
      for (const count of [0, 2]) {
        const reading = async (): Promise<void> => {
          for await (const _ of typed(subject).count({ text, count }));
        };
        assert.equal((await reasonOf(reading())).code, 'internal');
      }
    await typed(subject).echo({});
  },
  'a caller that leaves cancels the handler': async (subject) => {
    const abort = new AbortController();
    const call = typed(subject).wait({}, { signal: abort.signal });
    await subject.probe.waiting.next();
    abort.abort();
    await assert.rejects(call);
    assert.equal(await subject.probe.cancelled.next(), 'cancelled');
  },
  'a handler that never ends is answered for at its deadline': async (subject) => {
    assert.equal((await reasonOf(typed(subject).impatient({}))).code, 'deadline_exceeded');
  },
  'stopping waits for a call in flight': async (subject) => {
    const call = typed(subject).wait({});
    const release = await subject.probe.waiting.next();
    const stopped = subject.server.stop();
    release();
    assert.equal((await call).text, 'released');
    await stopped;
  },
  'one call more than it takes is refused at once, unexecuted, and the others are not harmed': (subject) =>
    having(subject, { maxInFlight: 1 }, async (limited) => {
      const first = typed(limited).wait({});
      const release = await limited.probe.waiting.next();
      const { code, executed } = await reasonOf(typed(limited).echo({}, { retries: 0 }));
      assert.deepEqual([code, executed, limited.probe.calls], ['resource_exhausted', false, 0]);
      release();
      assert.equal((await first).text, 'released');
      await typed(limited).echo({});
    }),
  'one stream more than it takes is refused at once, unexecuted, and calls still go through': (subject) =>
    having(subject, { maxStreams: 1 }, async (limited) => {
      const { address } = limited;
      const first = typed(limited).count({ text: 'wait', count: 1 })[Symbol.asyncIterator]();
      await first.next();
      const second = typed(limited).sum([], { address, retries: 0 });
      const { code, executed } = await reasonOf(second);
      assert.deepEqual([code, executed], ['resource_exhausted', false]);
      await typed(limited).echo({});
      await first.return?.();
      assert.equal(await limited.probe.cancelled.next(), 'cancelled');
      assert.equal((await typed(limited).sum([])).count, 0);
    }),
  'a stream whose request has not come yet counts among the open ones, and is ended at the stop': (subject) =>
    having(subject, { maxStreams: 1, drainMs: 30 }, async (limited) => {
      const { address, client } = limited;
      // As far as this caller knows it is a stream both ways, so that opening it sends no request.
      const stream = client.stream({ service: 'probe', endpoint: 'Probe.Count' }, { address });
      const ended = reasonOf(stream.receive());
      for (let refused = false; !refused;)
        await typed(limited)
          .sum([], { address, retries: 0 })
          .catch((reason: unknown) => {
            assert.ok(reason instanceof OctavoError && reason.code === 'resource_exhausted', String(reason));
            refused = true;
          });
      await limited.server.stop();
      assert.equal((await ended).code, 'unavailable');
    }),
  'what a wrapper puts beside a reply arrives': (subject) =>
    having(subject, { wrappers: [besides] }, async (wrapped) => {
      const { seen, options } = seeing();
      await typed(wrapped).echo({}, options);
      assert.deepEqual(seen, ['head', 'end']);
    }),
  'what a wrapper puts beside a stream arrives': (subject) =>
    having(subject, { wrappers: [besides] }, async (wrapped) => {
      const { seen, options } = seeing();
      for await (const _ of typed(wrapped).count({ count: 2 }, options));
      await typed(wrapped).sum([], options);
      assert.deepEqual(seen, ['head', 'end', 'head', 'end']);
    }),
  'a wrapper that refuses costs no decode: the request is not looked at before': (subject) =>
    having(subject, { wrappers: [refusing] }, async (other) => {
      const call = typed(other).echo(broken, { address: other.address });
      assert.equal((await reasonOf(call)).code, 'unauthenticated');
    }),
  'a wrapper that refuses a stream costs no decode either': (subject) =>
    having(subject, { wrappers: [refusing] }, async (other) => {
      const client = typed(other);
      const options = { address: other.address };
      const read = async (items: AsyncIterable<unknown>): Promise<void> => {
        for await (const item of items) assert.fail(`${String(item)} came`);
      };
      const calls = [
        () => read(client.count(broken, options)),
        () => client.sum([broken], options),
        () => read(client.chat([broken], options)),
      ];
      for (const call of calls) assert.equal((await reasonOf(call())).code, 'unauthenticated');
    }),
  'a meter that a wrapper sets is told of request and reply, and of their bytes': (subject) => {
    const meter = new Metering();
    return having(subject, { wrappers: [meter.wrapper] }, async (other) => {
      await typed(other).echo({ text: 'abc' }, { address: other.address });
      assert.deepEqual(meter.take(), { received: 1, sent: 1 });
    });
  },
  'a meter is told of every item of a stream, each way': (subject) => {
    const meter = new Metering();
    return having(subject, { wrappers: [meter.wrapper] }, async (other) => {
      const client = typed(other);
      const options = { address: other.address };
      await client.sum([{ count: 1 }, { count: 2 }], options);
      assert.deepEqual(meter.take(), { received: 2, sent: 1 });
      for await (const item of client.count({ count: 3 }, options)) assert.ok(item);
      assert.deepEqual(meter.take(), { received: 1, sent: 3 });
      for await (const item of client.chat([{ count: 1 }, { count: 2 }], options)) assert.ok(item);
      assert.deepEqual(meter.take(), { received: 2, sent: 3 });
    });
  },
  'a stream that carries no item is ended after its idle time': (subject) =>
    having(subject, { streamIdleMs: 60 }, async (limited) => {
      const reading = async (): Promise<void> => {
        for await (const _ of typed(limited).count({ text: 'wait', count: 1 }));
      };
      const { code, message } = await reasonOf(reading());
      assert.equal(code, 'deadline_exceeded');
      assert.match(message, /no item for 60 ms/);
      assert.equal(await limited.probe.cancelled.next(), 'deadline_exceeded');
    }),
  'while it stops it refuses new calls, unexecuted, and finishes those in flight': async (subject) => {
    const first = typed(subject).wait({});
    const release = await subject.probe.waiting.next();
    const { address } = subject;
    const stopped = subject.server.stop();
    for (let refused = false; !refused;)
      await typed(subject)
        .echo({}, { address, retries: 0 })
        .catch((reason: unknown) => {
          assert.ok(reason instanceof OctavoError && reason.executed === false, String(reason));
          assert.equal(reason.code, 'unavailable');
          refused = true;
        });
    release();
    assert.equal((await first).text, 'released');
    await stopped;
  },
  'what outlasts its drain time is cancelled, and its caller is told': (subject) =>
    having(subject, { drainMs: 30 }, async (limited) => {
      const failed = reasonOf(typed(limited).wait({}));
      await limited.probe.waiting.next();
      await limited.server.stop();
      assert.equal((await failed).code, 'unavailable');
      assert.equal(await limited.probe.cancelled.next(), 'unavailable');
    }),
  'an event that is refused comes again, up to its attempts': async ({ client, probe }) => {
    await client.publish({ topic: 'things', type: Ask, body: { text: 'later' } });
    for (const attempt of [1, 2, 3]) assert.equal((await probe.events.next()).attempt, attempt);
  },
  'an event that is refused to the end is buried': async ({ client, probe, server }) => {
    const buried = new Promise<string>((resolve) => {
      void server
        .subscribe([
          {
            topic: 'things.dead',
            type: Ask,
            name: 'grave',
            handler: (event) => resolve((event as Ask).text),
            options: {},
            wrappers: [],
          },
        ])
        .then(() => client.publish({ topic: 'things', type: Ask, body: { text: 'never' } }));
    });
    assert.equal(await buried, 'never');
    for (const attempt of [1, 2, 3]) assert.equal((await probe.events.next()).attempt, attempt);
  },
  'a subscription made while it runs gets events until it is taken back': async ({ client, server }) => {
    const texts: string[] = [];
    let wake: () => void = () => {};
    const added = (name: string, note: (text: string) => void): Promise<readonly Subscriber[]> =>
      server.subscribe([
        {
          topic: 'more',
          type: Ask,
          name,
          handler: (event) => note((event as Ask).text),
          options: {},
          wrappers: [],
        },
      ]);
    const publish = async (text: string): Promise<void> => {
      const came = new Promise<void>((resolve) => (wake = resolve));
      await client.publish({ topic: 'more', type: Ask, body: { text } });
      await came;
    };
    const [subscriber] = await added('first', (text) => texts.push(text));
    await added('second', () => wake());
    await publish('one');
    await subscriber?.unsubscribe();
    await publish('two');
    assert.deepEqual(texts, ['one']);
  },
  'what asks how it is gets an answer, and it is not in the registry': async ({ client, server }) => {
    const ask = (endpoint: string): Promise<unknown> =>
      client.call({ service: 'probe', endpoint, body: {}, contentType: 'application/json' });
    assert.deepEqual(await ask('Debug.Health'), { status: 'ok' });
    const stats = (await ask('Debug.Stats')) as Record<string, string>;
    assert.ok(Number(stats['requests']) >= 1 && Number(stats['memory']) > 0);
    assert.ok(server.node !== undefined);
  },
} satisfies Suite<ServerSubject>;
