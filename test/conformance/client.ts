import assert from 'node:assert/strict';
import type { Client } from '../../src/client/client.js';
import { OctavoError, type Code } from '../../src/core/error.js';
import type { Metadata } from '../../src/core/metadata.js';
import type { Lifecycle } from '../../src/core/lifecycle.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import type { Suite } from './conform.js';
import { Metering } from './metering.js';
import { Ask, ProbeClient, Things, type CallProbe, type Told } from './probe.js';

/** A client under test, and a service of `Probe` that it reaches; of `CallProbe` where nothing carries streams. */
export interface CallSubject extends Lifecycle {
  readonly client: Client;
  readonly probe: CallProbe;
  /** Where the service is. */
  readonly address: string;
  /** An address, of the same form, where nobody is. */
  readonly nobody: string;
}

function typed({ client }: CallSubject): ProbeClient {
  return new ProbeClient(client);
}

async function* items(...counts: readonly number[]): AsyncIterable<{ text: string; count: number }> {
  for (const count of counts) yield { text: 'item', count };
}

async function all(stream: AsyncIterable<Told>): Promise<number[]> {
  const counts: number[] = [];
  for await (const { count } of stream) counts.push(count);
  return counts;
}

function failing(code: Code, like = /./): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.equal(reason.code, code, reason.message);
    assert.match(reason.message, like);
    return true;
  };
}

/** The promises of `Client`, and of a call as a whole. */
export const clientSuite = {
  'a call gives the reply': async (subject) => {
    const reply = await typed(subject).echo({ text: 'é', count: -1 });
    assert.deepEqual([reply.text, reply.count], ['é', -1]);
  },
  'sixty-four calls at once get their own replies': async (subject) => {
    const probe = typed(subject);
    const replies = await Promise.all(Array.from({ length: 64 }, (_, count) => probe.echo({ count })));
    assert.deepEqual(
      replies.map(({ count }) => count),
      Array.from({ length: 64 }, (_, n) => n),
    );
  },
  'an error keeps code, message and details': async (subject) => {
    await assert.rejects(typed(subject).fail({ text: 'thing' }), failing('not_found', /^no thing$/));
    await assert.rejects(typed(subject).fail({ text: 'details' }), (reason) => {
      failing('failed_precondition', /^not yet é$/)(reason);
      assert.deepEqual((reason as OctavoError).details, [{ type: 'wait', forMs: 5 }]);
      return true;
    });
  },
  'a request that breaks a rule is refused, with the field': async (subject) => {
    await assert.rejects(typed(subject).echo({ text: 'x'.repeat(21) }), (reason) => {
      failing('invalid_argument')(reason);
      assert.deepEqual(
        (reason as OctavoError).violations.map(({ field }) => field),
        ['text'],
      );
      return true;
    });
    assert.equal(subject.probe.calls, 0);
  },
  'a request that its type cannot hold is refused before it is sent': async (subject) => {
    await assert.rejects(typed(subject).echo({ count: 1.5 }), failing('invalid_argument', /count/));
    assert.equal(subject.probe.calls, 0);
  },
  'a service that nobody runs is unavailable, at once': async ({ client }) => {
    const request = { service: 'nobody', endpoint: 'No.Body', body: {}, contentType: 'application/json' };
    await assert.rejects(client.call(request), failing('unavailable', /"nobody"/));
  },
  'an endpoint that is not there is unimplemented': async ({ client }) => {
    const request = {
      service: 'probe',
      endpoint: 'Probe.Nothing',
      body: {},
      contentType: 'application/json',
    };
    // As a wire has it: gRPC's is `/probe.Probe/Nothing`.
    await assert.rejects(client.call(request), failing('unimplemented', /Probe[./]Nothing/));
  },
  'a content type that nobody writes is refused': async (subject) => {
    await assert.rejects(
      typed(subject).echo({}, { contentType: 'text/html' }),
      failing('invalid_argument', /text\/html/),
    );
  },
  // Long enough for the handler to have begun on a machine that is busy.
  'a deadline ends a call, and says what it waited for': async (subject) => {
    await assert.rejects(
      typed(subject).wait({}, { timeoutMs: 400 }),
      failing(
        'deadline_exceeded',
        /probe Probe\.Wait took longer than 400 ms.*waited for|Probe\.Wait took longer than/,
      ),
    );
    assert.match(await subject.probe.cancelled.next(), /^(cancelled|deadline_exceeded)$/);
  },
  'an endpoint’s own limit holds where the call names none': async (subject) => {
    await assert.rejects(typed(subject).impatient({}), failing('deadline_exceeded'));
  },
  'a signal ends a call, and cancels the handler': async (subject) => {
    const abort = new AbortController();
    const call = typed(subject).wait({}, { signal: abort.signal, timeoutMs: 0 });
    await subject.probe.waiting.next();
    abort.abort();
    await assert.rejects(call, failing('cancelled'));
    assert.equal(await subject.probe.cancelled.next(), 'cancelled');
  },
  'a signal that has fired ends a call before it begins': async (subject) => {
    await assert.rejects(typed(subject).echo({}, { signal: AbortSignal.abort() }), failing('cancelled'));
    assert.equal(subject.probe.calls, 0);
  },
  'metadata travels both ways': async (subject) => {
    let header: Metadata | undefined;
    let trailer: Metadata | undefined;
    const reply = await typed(subject).context(
      {},
      {
        metadata: { 'Foo-Bar': 'é 日本', Many: ['a', 'b'], 'Raw-Bin': Uint8Array.of(0, 10, 255) },
        onHeader: (it) => (header = it),
        onTrailer: (it) => (trailer = it),
      },
    );
    assert.deepEqual(reply.lines, ['foo-bar=é 日本', 'many=a', 'many=b', 'raw-bin=AAr/']);
    assert.equal(reply.text, 'Probe.Context');
    assert.deepEqual([header?.get('reply-header'), header?.getAll('many')], ['é', ['1', '2']]);
    assert.deepEqual(
      [...(trailer ?? [])].map(([name, value]) => [name.toLowerCase(), value]),
      [['reply-trailer', 'end']],
    );
  },
  'metadata of the wire’s names, or with a line break, is refused': async (subject) => {
    for (const metadata of [{ Timeout: '1' }, { 'Micro-Service': 'x' }, { a: 'b\r\nc' }, { 'a b': 'c' }])
      await assert.rejects(typed(subject).echo({}, { metadata }), failing('invalid_argument'));
  },
  'what is left of the deadline travels': async (subject) => {
    const { count } = await typed(subject).context({}, { timeoutMs: 2_000 });
    assert.ok(count > 1_000 && count <= 2_000, String(count));
  },
  'a call without types takes and gives JSON': async ({ client }) => {
    const request = { service: 'probe', endpoint: 'Probe.Echo', contentType: 'application/json' };
    assert.deepEqual(await client.call({ ...request, body: { text: 'x', count: 2 } }), {
      text: 'x',
      count: 2,
    });
  },
  'a call goes to the address it names, and asks nobody': async ({ client, address }) => {
    const request = {
      service: 'probe',
      endpoint: 'Probe.Echo',
      contentType: 'application/json',
      body: { text: 'x' },
    };
    assert.deepEqual(await client.call(request, { address }), { text: 'x' });
  },
  'a call that never reached a handler goes elsewhere at once, whatever it does': async (subject) => {
    const { address, nobody } = subject;
    const reply = await typed(subject).once({}, { address: [nobody, address], retries: 0 });
    assert.deepEqual([reply.text, subject.probe.calls], ['done', 1]);
  },
  'a stream that never reached a handler goes elsewhere at once, and loses no item': async (subject) => {
    const { address, nobody } = subject;
    const options = { address: [nobody, address], retries: 0 };
    assert.equal((await typed(subject).sum(items(1, 2, 3), options)).count, 6);
    assert.deepEqual(await all(typed(subject).count({ count: 2 }, options)), [1, 2]);
  },
  'the error of a call that failed everywhere lists each attempt with its node and reason': async (
    subject,
  ) => {
    const { nobody } = subject;
    const call = typed(subject).echo({}, { address: [nobody, `${nobody}0`], retries: 0 });
    await assert.rejects(call, (reason) => {
      failing('unavailable', /2 attempts: 1\. \S+ unavailable: .*; 2\. \S+ unavailable: /)(reason);
      assert.ok((reason as OctavoError).message.includes(nobody));
      assert.equal((reason as OctavoError).executed, false);
      return true;
    });
  },
  'what may have been executed is tried again where the endpoint is idempotent, and only there': async (
    subject,
  ) => {
    const quickly = { retries: 3, backoff: () => 0 };
    subject.probe.failures = 2;
    assert.equal((await typed(subject).again({}, quickly)).count, 3);
    subject.probe.calls = 0;
    await assert.rejects(typed(subject).once({}, quickly), failing('unavailable', /^not now/));
    assert.equal(subject.probe.calls, 1);
  },
  'a call is tried no more often than it is told, and its error says how often': async (subject) => {
    subject.probe.failures = 9;
    const call = typed(subject).again({}, { retries: 2, backoff: () => 0 });
    await assert.rejects(call, failing('unavailable', /for the 3\. time.*3 attempts/));
    assert.equal(subject.probe.calls, 3);
  },
  'a wait that would outlast the deadline is not begun': async (subject) => {
    subject.probe.failures = 9;
    const call = typed(subject).again({}, { retries: 2, backoff: () => 60_000, timeoutMs: 30_000 });
    await assert.rejects(call, failing('unavailable', /no time/));
  },
  'an error that another attempt would not change is not wrapped in the attempts before it': async (
    subject,
  ) => {
    const { address, nobody } = subject;
    const call = typed(subject).fail({ text: 'thing' }, { address: [nobody, address] });
    await assert.rejects(call, failing('not_found', /^no thing$/));
  },
  'a server stream gives its items and ends': async (subject) => {
    assert.deepEqual(await all(typed(subject).count({ count: 5 })), [1, 2, 3, 4, 5]);
    assert.deepEqual(await all(typed(subject).count({ count: 0 })), []);
  },
  'an error after the last item comes after it': async (subject) => {
    const seen: number[] = [];
    await assert.rejects(
      async () => {
        for await (const { count } of typed(subject).count({ text: 'fail', count: 3 })) seen.push(count);
      },
      failing('out_of_range', /^that was the last$/),
    );
    assert.deepEqual(seen, [1, 2, 3]);
  },
  'a client stream gives one reply, also without items, and before their end': async (subject) => {
    const probe = typed(subject);
    assert.equal((await probe.sum(items(1, 2, 3))).count, 6);
    assert.equal((await probe.sum([])).count, 0);
    assert.equal((await probe.sum([{ count: 4 }, { text: 'stop' }, { count: 5 }])).count, 4);
  },
  'a bidi stream goes both ways, and a half-close leaves the other side open': async (subject) => {
    const texts: string[] = [];
    for await (const { text } of typed(subject).chat([{ text: 'a' }, { text: 'b' }])) texts.push(text);
    assert.deepEqual(texts, ['a', 'b', 'goodbye']);
  },
  'leaving a loop cancels the handler': async (subject) => {
    for await (const _ of typed(subject).count({ text: 'wait', count: 1 })) break;
    assert.equal(await subject.probe.cancelled.next(), 'cancelled');
  },
  'a stream that nobody reads opens nothing': (subject) => {
    typed(subject).count({ count: 1 });
  },
  'a source that throws fails the call, and the handler is cancelled': async (subject) => {
    let answered: () => void = () => {};
    const answer = new Promise<void>((resolve) => (answered = resolve));
    async function* broken(): AsyncIterable<Ask> {
      yield Object.assign(new Ask(), { text: 'fine' });
      await answer;
      throw new OctavoError('data_loss', 'the source broke');
    }
    await assert.rejects(
      async () => {
        for await (const _ of typed(subject).chat(broken())) answered();
      },
      failing('data_loss', /the source broke/),
    );
    assert.equal(await subject.probe.cancelled.next(), 'cancelled');
  },
  'a source is left when the stream ends before it': async (subject) => {
    let left = false;
    async function* endless(): AsyncIterable<Ask> {
      try {
        for (;;) yield Object.assign(new Ask(), { text: 'fail' });
      } finally {
        left = true;
      }
    }
    await assert.rejects(async () => {
      for await (const _ of typed(subject).chat(endless()));
    }, failing('aborted'));
    while (!left) await new Promise((resolve) => setImmediate(resolve));
  },
  'a stream without types sends, half-closes and receives': async ({ client }) => {
    const stream = client.stream({
      service: 'probe',
      endpoint: 'Probe.Chat',
      contentType: 'application/json',
    });
    await stream.send({ text: 'a' });
    assert.deepEqual(await stream.receive(), { text: 'a' });
    await stream.closeSend();
    assert.deepEqual(await stream.receive(), { text: 'goodbye' });
    assert.equal(await stream.receive(), undefined);
    assert.equal(stream.error, undefined);
    await stream.close();
  },
  'a meter that a wrapper sets is told of request and reply, and of their bytes': async (subject) => {
    const meter = new Metering();
    await typed(subject).echo({ text: 'abc' }, { wrappers: [meter.wrapper] });
    assert.deepEqual(meter.take(), { received: 1, sent: 1 });
  },
  'a meter is told of every item of a stream, each way': async (subject) => {
    const meter = new Metering();
    const options = { wrappers: [meter.wrapper] };
    const client = typed(subject);
    await client.sum([{ count: 1 }, { count: 2 }], options);
    assert.deepEqual(meter.take(), { received: 1, sent: 2 });
    for await (const item of client.count({ count: 3 }, options)) assert.ok(item);
    assert.deepEqual(meter.take(), { received: 3, sent: 1 });
  },
  'wrappers stand around a call in order, the first outermost': async (subject) => {
    const order: string[] = [];
    const named =
      (name: string): Wrapper =>
      async (call, next) => {
        order.push(`${name} ${call.endpoint}`);
        const reply = await next(call);
        order.push(`${name} done`);
        return reply;
      };
    await typed(subject).echo({}, { wrappers: [named('outer'), named('inner')] });
    assert.deepEqual(order, ['outer Probe.Echo', 'inner Probe.Echo', 'inner done', 'outer done']);
  },
  'a wrapper may add metadata, answer by itself, and refuse': async (subject) => {
    const probe = typed(subject);
    const adding: Wrapper = (call, next) => {
      call.metadata.set('Added', 'yes');
      return next(call);
    };
    assert.deepEqual((await probe.context({}, { wrappers: [adding] })).lines, ['added=yes']);
    const answering: Wrapper = async () => ({ body: { text: 'mine' } });
    assert.equal((await probe.echo({}, { wrappers: [answering] })).text, 'mine');
    const refusing: Wrapper = () => Promise.reject(new OctavoError('permission_denied', 'no'));
    await assert.rejects(probe.echo({}, { wrappers: [refusing] }), failing('permission_denied'));
    assert.equal(subject.probe.calls, 0);
  },
  'an event reaches its subscriber, with its metadata': async ({ client, probe }) => {
    await client.publish(
      { topic: Things.name, type: Things.type, body: { text: 'thing' } },
      { metadata: { From: 'é' } },
    );
    assert.deepEqual(await probe.events.next(), { text: 'thing', attempt: 1, from: 'é' });
  },
  'an event without a type is JSON': async ({ client, probe }) => {
    await client.publish({ topic: Things.name, contentType: 'application/json', body: { text: 'json' } });
    assert.equal((await probe.events.next()).text, 'json');
  },
} satisfies Suite<CallSubject>;
