import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { Field, Handler, MapField, Message, Repeated, Sensitive, Service } from '../../decorators/index.js';
import { redacted } from '../../src/schema/redact.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { TestApp } from '../../src/testing/test-app.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { OctavoError } from '../../src/core/error.js';
import type { Fields } from '../../src/core/logger.js';
import { log } from '../../src/wrapper/log.js';
import { conform } from '../conformance/conform.js';
import { Ask } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, streamed, Wrapping } from '../support/wrapping.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

@Message('log.Card')
class Card {
  @Field(1, 'string') @Sensitive() number = '';
  @Field(2, 'string') owner = '';
}

@Message('log.Order')
class Order {
  @Field(1, 'string') id = '';
  @Sensitive() @Field(2, 'string') password = '';
  @Field(3, Card) card?: Card;
  @Repeated(4, Card) cards: Card[] = [];
  @MapField(5, 'string', Card) byName = new Map<string, Card>();
  @Field(6, 'bytes') photo = new Uint8Array();
  @Field(7, 'int64') amount = 0n;
}

@Message('log.Special')
class SpecialOrder extends Order {
  @Field(8, 'string') more = '';
}

@Service({ name: 'till' })
class Till {
  @Handler(Order, Card)
  async pay({ card }: Order): Promise<Card> {
    return Object.assign(new Card(), card);
  }
}

function lines(app: {
  readonly logs: { readonly records: readonly { readonly message: string; readonly fields: Fields }[] };
}): Fields[] {
  return app.logs.records
    .filter(({ message }) => message === 'call' || message === 'event')
    .map(({ fields }) => fields);
}

describe('log', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: log({ bodies: true }),
  }));

  it('writes one line for each call: who, what, how long, and as a part of which trace', async () => {
    await using app = await Wrapping.start({ server: { wrappers: [log()] } });
    const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
    const call = app.client.wait({}, { metadata: { traceparent } });
    const release = await app.probe.waiting.next();
    await app.clock.advance(25);
    release();
    await call;
    const [line = {}, ...more] = lines(app);
    assert.equal(more.length, 0);
    const { peer, ...rest } = line;
    assert.equal(typeof peer, 'string');
    assert.deepEqual(rest, {
      side: 'server',
      service: 'probe',
      endpoint: 'Probe.Wait',
      trace: TRACE,
      code: 'ok',
      ms: 25,
    });
  });

  it('has the level by the outcome, and says why', async () => {
    await using app = await Wrapping.start({
      client: { wrappers: [log({ levels: { invalid_argument: 'off', not_found: 'error' } })], retries: 0 },
    });
    await app.client.echo({});
    await assert.rejects(app.client.fail({ text: 'x' }), has('not_found'));
    await assert.rejects(app.client.fail({ text: 'plain' }), has('internal'));
    await assert.rejects(app.client.echo({ text: 'far too long for this' }), has('invalid_argument'));
    const said = app.logs.records.filter(({ message }) => message === 'call');
    assert.deepEqual(
      said.map(({ level, fields }) => [level, fields['code']]),
      [
        ['info', 'ok'],
        ['error', 'not_found'],
        ['error', 'internal'],
      ],
    );
    assert.equal(said[1]?.fields['reason'], 'no x');
  });

  it('counts attempts where it stands around them, and deliveries of events', async () => {
    await using app = await Wrapping.start({
      client: { callWrappers: [log()], backoff: () => 0, retries: 2 },
      server: { subscriberWrappers: [log()] },
    });
    app.probe.failures = 1;
    const call = app.client.again({});
    await app.clock.advance(1);
    await call;
    await app.service.client.publish({ topic: 'things', body: { text: 'later' }, type: Ask });
    await app.clock.advance(10);
    const said = lines(app).map(({ endpoint, attempt, code, subscriber }) => [
      endpoint,
      attempt,
      code,
      subscriber,
    ]);
    assert.deepEqual(said, [
      ['Probe.Again', 1, 'unavailable', undefined],
      ['Probe.Again', 2, 'ok', undefined],
      ['things', 1, 'internal', 'Probe.OnThing'],
      ['things', 2, 'internal', 'Probe.OnThing'],
      ['things', 3, 'ok', 'Probe.OnThing'],
    ]);
  });

  it('says around a whole call how many attempts it was, and where the last one went', async () => {
    await using app = await Wrapping.start({
      client: { wrappers: [log()], backoff: () => 0, retries: 1 },
    });
    app.probe.failures = 10;
    const failing = assert.rejects(app.client.again({}), has('unavailable'));
    await app.clock.advance(1);
    await failing;
    const [line, ...more] = lines(app);
    assert.deepEqual([line?.['attempt'], line?.['code'], more.length], [2, 'unavailable', 0]);
    assert.equal(typeof line?.['peer'], 'string');
  });

  it('writes a line for an event that is published, and its trace', async () => {
    await using app = await Wrapping.start({ client: { publishWrappers: [log()] } });
    const metadata = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
    await app.service.client.publish({ topic: 'things', body: {}, type: Ask }, { metadata });
    assert.deepEqual(lines(app), [{ side: 'client', endpoint: 'things', trace: TRACE, code: 'ok', ms: 0 }]);
  });

  it('writes a stream’s line at its end, with the number of items', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [log()] } });
    for await (const { count } of app.client.count({ count: 3 }))
      if (count === 1) assert.equal(lines(app).length, 0);
    const [line] = lines(app);
    assert.deepEqual([line?.['kind'], line?.['items'], line?.['code']], ['server', 3, 'ok']);
  });

  it('writes so large a share of those that went well, and all the others', async () => {
    const clock = new VirtualClock();
    const call = aCall(clock);
    const records: unknown[] = [];
    Object.defineProperty(call.context, 'log', {
      value: {
        info: (...line: unknown[]) => records.push(line),
        warn: (...line: unknown[]) => records.push(line),
      },
    });
    const subject = log({ sample: 0.25 });
    for (let n = 0; n < 100; n++) await subject(call, async () => ({ body: n }));
    assert.equal(records.length, 25);
    await assert.rejects(subject(call, () => Promise.reject(new OctavoError('unavailable', 'no'))));
    assert.equal(records.length, 26);
    for (let n = 0; n < 10; n++) await log({ sample: 0 })(call, streamed(1));
    assert.equal(records.length, 26);
  });

  it('shows bodies without what is sensitive, on both sides', async () => {
    const wrappers = [log({ bodies: true })];
    await using app = await TestApp.create({ services: [Till], server: rpcServer({ wrappers }) }).start();
    const body = { id: '7', password: 'p', card: { number: '4111', owner: 'Ada' } };
    const method = { service: 'till', endpoint: 'Till.Pay', contentType: 'application/json', body };
    await app.service().client.call(method, { wrappers });
    const [server] = lines(app);
    assert.deepEqual(server?.['reply'], { number: '[sensitive]', owner: 'Ada' });
    const shown = server?.['request'] as Record<string, unknown>;
    assert.deepEqual(
      [shown['id'], shown['password'], shown['card']],
      ['7', '[sensitive]', { number: '[sensitive]', owner: 'Ada' }],
    );
    assert.ok(!JSON.stringify(app.logs.records).includes('4111'));
  });
});

describe('what a log may show of a message', () => {
  it('leaves out what is sensitive, at every depth and in what extends it', () => {
    const card = { number: '4111', owner: 'Ada' };
    const shown = redacted(SpecialOrder, {
      password: 'p',
      card,
      cards: [card],
      byName: new Map([['a', card]]),
      more: 'x',
      amount: 5n,
      other: '4111',
    });
    const safe = { number: '[sensitive]', owner: 'Ada' };
    assert.deepEqual(shown, {
      password: '[sensitive]',
      card: safe,
      cards: [safe],
      byName: { a: safe },
      more: 'x',
      amount: '5',
    });
  });

  it('is not much, whatever is given', () => {
    const cards = Array.from({ length: 1_000 }, () => ({ owner: 'x'.repeat(5_000) }));
    assert.ok(JSON.stringify(redacted(Order, { cards, photo: new Uint8Array(1_000) })).length < 6_000);
    for (const strange of [undefined, null, 1, 'x', { cards: 1 }, { card: 'x' }, { byName: 3 }])
      assert.ok(redacted(Order, strange) !== undefined);
  });
});
