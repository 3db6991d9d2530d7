import assert from 'node:assert/strict';
import { before, describe, it, test } from 'node:test';
import { SpanStatusCode, trace as api } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { http as httpBroker } from '../../src/broker/http.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { http as httpClient } from '../../src/client/http.js';
import { OctavoError } from '../../src/core/error.js';
import { http as httpServer } from '../../src/server/http.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { grpc } from '../../src/transport/grpc.js';
import { http } from '../../src/transport/http.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { tcp } from '../../src/transport/tcp.js';
import { udp } from '../../src/transport/udp.js';
import { trace } from '../../src/wrapper/trace.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { Ask, CallProbe, Probe, type Told } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { activate, only, Spans, Tracing, type TracingOptions } from '../support/tracing.js';
import { aCall, has } from '../support/wrapping.js';

const WIRES: Readonly<Record<string, Pick<TracingOptions, 'transport' | 'wire'>>> = {
  memory: { transport: memoryTransport() },
  http: { transport: http() },
  tcp: { transport: tcp() },
  grpc: { transport: grpc() },
  'Connect, without rpc': { wire: { client: httpClient, server: httpServer } },
};
const BROKERS = { memory: memoryBroker, http: () => httpBroker({ address: '127.0.0.1:0' }) };
/** What a span is, in short: whose side it is on, and its name. */
function short({ kind, name }: ReadableSpan): string {
  return `${['internal', 'server', 'client', 'producer', 'consumer'][kind]} ${name}`;
}

before(activate);

describe('trace', () => {
  const spans = new Spans();
  let wrapper: Wrapper = (call, next) => next(call);
  before(async () => {
    wrapper = await trace({ provider: spans.provider });
  });
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: (call, next) => wrapper(call, next),
  }));

  for (const [name, wire] of Object.entries(WIRES)) {
    it(`makes one tree of a call of each kind over ${name}`, async () => {
      await using app = await Tracing.start(wire);
      const { client } = app;
      const asks = [{ count: 1 }, { count: 2 }];
      const read = async (items: AsyncIterable<Told>): Promise<void> => {
        for await (const { count } of items) assert.ok(count >= 0);
      };
      await client.echo({});
      await client.sum(asks);
      await read(client.count({ count: 2 }));
      await read(client.chat(asks));
      // What is left open ends at the server a little later.
      await app.service.stop();
      const attempt = (endpoint: string): unknown => ({
        [`client conformance.Probe/${endpoint}`]: [
          { [`client conformance.Probe/${endpoint}`]: [`server conformance.Probe/${endpoint}`] },
        ],
      });
      assert.deepEqual(app.spans.tree(short), ['Chat', 'Count', 'Echo', 'Sum'].map(attempt));
    });
  }

  for (const [name, wire] of Object.entries({ ...WIRES, udp: { transport: udp() } })) {
    // It carries no streams.
    const probe = name === 'udp' ? CallProbe : Probe;
    it(`has a span for each attempt over ${name}, and the server’s under its own`, async () => {
      await using app = await Tracing.start({
        services: [probe],
        ...wire,
        client: { retries: 2 },
      });
      app.service.resolve(probe).failures = 2;
      await app.client.again({});
      await app.client.echo({});
      const attempt = (n: number): unknown => ({ [`attempt ${n}`]: ['server'] });
      const named = ({ attributes, kind }: ReadableSpan): string => {
        if (kind === 1) return 'server';
        const n = attributes['octavo.attempt'];
        return n === undefined ? `call ${String(attributes['octavo.attempts'])}` : `attempt ${String(n)}`;
      };
      assert.deepEqual(app.spans.tree(named), [
        { 'call 1': [attempt(1)] },
        { 'call 3': [attempt(1), attempt(2), attempt(3)] },
      ]);
    });
  }

  for (const [name, broker] of Object.entries(BROKERS))
    it(`makes one tree of an event over the ${name} broker, and each delivery links to it`, async () => {
      await using app = await Tracing.start({ broker: broker(), transport: http() });
      await app.service.client.publish({ topic: 'things', body: { text: 'later' }, type: Ask });
      for (let n = 0; n < 3; n++) await app.probe.events.next();
      await app.service.stop();
      assert.deepEqual(app.spans.tree(short), [
        { 'producer publish things': Array.from({ length: 3 }, () => 'consumer process things') },
      ]);
      const { traceId, spanId } = only(app.spans.of('PRODUCER')).spanContext();
      const deliveries = app.spans.of('CONSUMER');
      for (const { links } of deliveries)
        assert.deepEqual(
          links.map(({ context: each }) => [each.traceId, each.spanId]),
          [[traceId, spanId]],
        );
      assert.deepEqual(
        deliveries.map(({ attributes, status: { code } }) => [attributes['octavo.attempt'], code]),
        [
          [1, SpanStatusCode.ERROR],
          [2, SpanStatusCode.ERROR],
          [3, SpanStatusCode.UNSET],
        ],
      );
    });

  it('may begin a trace of its own with each delivery, linked to its event', async () => {
    await using app = await Tracing.start({ trace: { deliveries: 'link' } });
    await app.service.client.publish({ topic: 'things', body: {}, type: Ask });
    await app.probe.events.next();
    await app.service.stop();
    const [published, delivered] = [only(app.spans.of('PRODUCER')), only(app.spans.of('CONSUMER'))];
    assert.notEqual(delivered.spanContext().traceId, published.spanContext().traceId);
    assert.equal(delivered.parentSpanContext, undefined);
    assert.equal(delivered.links[0]?.context.spanId, published.spanContext().spanId);
  });

  it('says what the conventions have names for', async () => {
    await using app = await Tracing.start({ transport: http() });
    await app.client.echo({});
    await app.service.client.publish({ topic: 'things', body: {}, type: Ask });
    await app.probe.events.next();
    await app.service.stop();
    const [attempt, call] = app.spans.of('CLIENT').map(({ attributes }) => attributes);
    const server = only(app.spans.of('SERVER')).attributes;
    const rpc = {
      'rpc.system.name': 'octavo',
      'rpc.method': 'conformance.Probe/Echo',
      'rpc.status_code': 'OK',
    };
    assert.deepEqual(call, {
      ...rpc,
      'service.peer.name': 'probe',
      'server.address': 'probe',
      'octavo.attempts': 1,
    });
    assert.deepEqual(
      { ...attempt, 'server.port': 0 },
      {
        ...rpc,
        'service.peer.name': 'probe',
        'server.address': '127.0.0.1',
        'server.port': 0,
        'octavo.attempt': 1,
      },
    );
    assert.equal(typeof attempt?.['server.port'], 'number');
    assert.deepEqual(
      { ...server, 'client.port': 0 },
      { ...rpc, 'client.address': '127.0.0.1', 'client.port': 0 },
    );
    const messaging = { 'messaging.system.name': 'memory', 'messaging.destination.name': 'things' };
    assert.deepEqual(only(app.spans.of('PRODUCER')).attributes, {
      ...messaging,
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
    });
    const { 'messaging.message.id': id, ...consumed } = only(app.spans.of('CONSUMER')).attributes;
    assert.match(String(id), /^[0-9a-f-]{36}$/);
    assert.deepEqual(consumed, {
      ...messaging,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.subscription.name': 'Probe.OnThing',
      'octavo.attempt': 1,
    });
  });

  it('gives no name of its own to an endpoint that no contract names', async () => {
    await using app = await Tracing.start({ at: ['call'], trace: { system: 'grpc' } });
    await app.service.client.call({ service: 'probe', endpoint: 'Probe.Echo', body: new Uint8Array() });
    const { name, attributes } = only(app.spans.all);
    assert.deepEqual(
      [name, attributes['rpc.method'], attributes['rpc.method_original']],
      ['grpc', '_OTHER', 'Probe.Echo'],
    );
  });

  it('has failed by the code: at the server not by what is the caller’s fault', async () => {
    await using app = await Tracing.start({ at: ['call', 'handler'] });
    await assert.rejects(app.client.fail({ text: 'x' }), has('not_found'));
    await assert.rejects(app.client.fail({ text: 'plain' }), has('internal'));
    const seen = (kind: 'CLIENT' | 'SERVER'): unknown[] =>
      app.spans
        .of(kind)
        .map(({ status, attributes: { 'rpc.status_code': code, 'error.type': type } }) => [
          status.code,
          code,
          type,
        ]);
    const { ERROR, UNSET } = SpanStatusCode;
    assert.deepEqual(seen('CLIENT'), [
      [ERROR, 'NOT_FOUND', 'NOT_FOUND'],
      [ERROR, 'INTERNAL', 'INTERNAL'],
    ]);
    assert.deepEqual(seen('SERVER'), [
      [UNSET, 'NOT_FOUND', undefined],
      [ERROR, 'INTERNAL', 'INTERNAL'],
    ]);
    // What a caller must not see, who reads the traces of the server must.
    const [exception] = app.spans.of('SERVER')[1]?.events ?? [];
    assert.equal(exception?.attributes?.['exception.message'], 'a secret of the house');
    for (const span of app.spans.of('CLIENT')) assert.ok(!JSON.stringify(span.status).includes('secret'));
  });

  it('ends the span of a stream with the stream, with the number of its items', async () => {
    await using app = await Tracing.start({ at: ['call', 'handler'], trace: { items: true } });
    for await (const { count } of app.client.count({ count: 3 })) {
      assert.equal(app.spans.of('CLIENT').length, 0);
      assert.ok(count > 0);
    }
    const { attributes, events } = only(app.spans.of('CLIENT'));
    assert.deepEqual([attributes['octavo.items'], attributes['octavo.stream']], [3, 'server']);
    assert.deepEqual(
      events.map(({ name, attributes: each }) => [
        name,
        each?.['rpc.message.type'],
        each?.['rpc.message.id'],
      ]),
      [1, 2, 3].map((n) => ['rpc.message', 'RECEIVED', n]),
    );
    assert.equal(only(app.spans.of('SERVER')).events[2]?.attributes?.['rpc.message.type'], 'SENT');
  });

  it('ends the span of a handler with its call, though it goes on', async () => {
    await using app = await Tracing.start({ at: ['handler'] });
    // The server's patience ends: the caller has more.
    await assert.rejects(app.client.impatient({}, { timeoutMs: 60_000 }), has('deadline_exceeded'));
    const { status, attributes } = only(app.spans.of('SERVER'));
    assert.deepEqual(
      [attributes['rpc.status_code'], status.code],
      ['DEADLINE_EXCEEDED', SpanStatusCode.ERROR],
    );
  });

  it('ends once, also where the call was over before it began', async () => {
    const spans = new Spans();
    const wrapper = await trace({ provider: spans.provider });
    const call = aCall(new VirtualClock());
    call.context.cancel(new OctavoError('cancelled', 'the caller left'));
    await wrapper(call, async () => ({ body: 'all the same' }));
    assert.equal(only(spans.all).attributes['rpc.status_code'], 'CANCELLED');
  });

  it('ends the span of a stream that is left or fails, at both ends', async () => {
    await using app = await Tracing.start({ at: ['call', 'handler'], transport: tcp() });
    for await (const { count } of app.client.count({ count: 3, text: 'wait' })) if (count === 1) break;
    assert.equal(await app.probe.cancelled.next(), 'cancelled');
    await assert.rejects(async () => {
      for await (const { count } of app.client.count({ count: 1, text: 'fail' })) assert.equal(count, 1);
    }, has('out_of_range'));
    await app.service.stop();
    const codes = (kind: 'CLIENT' | 'SERVER'): unknown[] =>
      app.spans.of(kind).map(({ attributes }) => attributes['rpc.status_code']);
    assert.deepEqual(codes('CLIENT'), ['OK', 'OUT_OF_RANGE']);
    assert.deepEqual(codes('SERVER'), ['CANCELLED', 'OUT_OF_RANGE']);
  });
});

describe('a span', () => {
  it('is nobody’s but the call’s: what another wrapper throws is told, and nothing is active after it', async () => {
    const refuse: Wrapper = () => {
      throw new OctavoError('resource_exhausted', 'full');
    };
    await using app = await Tracing.start({ at: ['handler'], server: { wrappers: [refuse] } });
    await assert.rejects(app.client.echo({}), has('resource_exhausted'));
    assert.equal(api.getActiveSpan(), undefined);
    assert.equal(only(app.spans.all).attributes['rpc.status_code'], 'RESOURCE_EXHAUSTED');
  });
});
