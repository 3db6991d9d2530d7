import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { ClientOf, Handler, Injectable, Service, Wrap } from '../../decorators/index.js';
import { OctavoError } from '../../src/core/error.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { TestApp } from '../../src/testing/test-app.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { http } from '../../src/transport/http.js';
import { breaker } from '../../src/wrapper/breaker.js';
import { bulkhead } from '../../src/wrapper/bulkhead.js';
import { metrics, type Metrics } from '../../src/wrapper/metrics.js';
import { ratelimit } from '../../src/wrapper/ratelimit.js';
import { shed } from '../../src/wrapper/shed.js';
import { conform } from '../conformance/conform.js';
import { Ask, Probe, ProbeClient, Told } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { samplesOf } from '../support/samples.js';
import { aCall, has, held, streamed, Wrapping } from '../support/wrapping.js';

async function read(subject: Metrics): Promise<ReadonlyMap<string, number>> {
  return samplesOf(await subject.text());
}

describe('metrics', async () => {
  const one = await metrics();
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({ wrapper: one }));

  it('counts calls by endpoint and code, and how long they took', async () => {
    const subject = await metrics();
    await using app = await Wrapping.start({ server: { wrappers: [subject] }, client: { retries: 0 } });
    await app.client.echo({});
    await app.client.echo({});
    await assert.rejects(app.client.fail({ text: 'x' }), has('not_found'));
    const call = app.client.wait({});
    const release = await app.probe.waiting.next();
    assert.equal(
      (await read(subject)).get('octavo_calls_in_flight around=handler endpoint=Probe.Wait service=probe'),
      1,
    );
    await app.clock.advance(30);
    release();
    await call;
    const samples = await read(subject);
    const of = (name: string, endpoint: string, more = '', code = ''): number | undefined =>
      samples.get(`${name} around=handler ${code}endpoint=${endpoint} kind=unary${more} service=probe`);
    assert.equal(of('octavo_calls_total', 'Probe.Echo', '', 'code=ok '), 2);
    assert.equal(of('octavo_calls_total', 'Probe.Fail', '', 'code=not_found '), 1);
    assert.equal(of('octavo_call_duration_seconds_sum', 'Probe.Wait'), 0.03);
    assert.equal(of('octavo_call_duration_seconds_bucket', 'Probe.Wait', ' le=0.025'), 0);
    assert.equal(of('octavo_call_duration_seconds_bucket', 'Probe.Wait', ' le=0.05'), 1);
    assert.equal(of('octavo_call_duration_seconds_bucket', 'Probe.Wait', ' le=+Inf'), 1);
    assert.equal(samples.get('octavo_calls_in_flight around=handler endpoint=Probe.Wait service=probe'), 0);
  });

  it('tells calls from attempts, so that retries can be seen, and counts events and items', async () => {
    const subject = await metrics({ prefix: 'x_' });
    await using app = await Wrapping.start({
      client: { wrappers: [subject], callWrappers: [subject], retries: 2, backoff: () => 0 },
      server: { subscriberWrappers: [subject] },
    });
    app.probe.failures = 1;
    const call = app.client.again({});
    await app.clock.advance(1);
    await call;
    for await (const item of app.client.count({ count: 3 })) assert.ok(item);
    await app.service.client.publish({ topic: 'things', body: {}, type: Ask });
    await app.clock.advance(1);
    const samples = await read(subject);
    const counted = (labels: string): number | undefined =>
      samples.get(`x_calls_total ${labels} service=probe`);
    assert.equal(counted('around=call code=ok endpoint=Probe.Again kind=unary'), 1);
    assert.equal(counted('around=attempt code=unavailable endpoint=Probe.Again kind=unary'), 1);
    assert.equal(counted('around=attempt code=ok endpoint=Probe.Again kind=unary'), 1);
    assert.equal(counted('around=subscriber code=ok endpoint=things kind=event'), 1);
    assert.equal(samples.get('x_stream_items_total around=call endpoint=Probe.Count service=probe'), 3);
  });

  it('counts retries, and messages and bytes of both sides, once in however many places it stands', async () => {
    const subject = await metrics();
    await using app = await Wrapping.start({
      client: { wrappers: [subject], callWrappers: [subject], retries: 2, backoff: () => 0 },
      server: { wrappers: [subject], subscriberWrappers: [subject] },
    });
    app.probe.failures = 2;
    const call = app.client.again({ text: 'abc' });
    await app.clock.advance(1);
    await app.clock.advance(1);
    await call;
    const told: unknown[] = [];
    for await (const item of app.client.chat([{ text: 'x' }, { text: 'y' }])) told.push(item);
    assert.equal(told.length, 3);
    await app.service.client.publish({ topic: 'things', body: { text: 'abcd' }, type: Ask });
    await app.clock.advance(1);
    const samples = await read(subject);
    assert.equal(samples.get('octavo_retries_total around=attempt endpoint=Probe.Again service=probe'), 2);
    assert.equal(samples.get('octavo_retries_total around=call endpoint=Probe.Again service=probe'), 0);
    const went = (what: string, side: string, direction: string, endpoint: string, kind: string) =>
      samples.get(
        `octavo_message${what}_total direction=${direction} endpoint=${endpoint} kind=${kind} service=probe side=${side}`,
      );
    // A text of three letters is five bytes of protobuf.
    for (const [side, direction] of [
      ['client', 'sent'],
      ['server', 'received'],
    ] as const) {
      assert.equal(went('s', side, direction, 'Probe.Again', 'unary'), 3);
      assert.equal(went('_bytes', side, direction, 'Probe.Again', 'unary'), 15);
      assert.equal(went('s', side, direction, 'Probe.Chat', 'bidi'), 2);
      assert.equal(went('_bytes', side, direction, 'Probe.Chat', 'bidi'), 6);
    }
    for (const [side, direction] of [
      ['client', 'received'],
      ['server', 'sent'],
    ] as const) {
      // Errors have no message.
      assert.equal(went('s', side, direction, 'Probe.Again', 'unary'), 1);
      assert.equal(went('_bytes', side, direction, 'Probe.Again', 'unary'), 8);
      assert.equal(went('s', side, direction, 'Probe.Chat', 'bidi'), 3);
    }
    assert.equal(went('_bytes', 'server', 'received', 'things', 'event'), 6);
  });

  it('shows what the wrappers of the app say of their state, and Debug.Stats does', async () => {
    const subject = await metrics();
    const again = breaker({ failures: 1, by: 'endpoint' });
    const places = bulkhead({ maxConcurrent: 1, by: 'endpoint' });
    const server = rpcServer({ wrappers: [places, again, subject, shed(), ratelimit({ perSecond: 100 })] });
    await using app = await TestApp.create({
      services: [Probe],
      server,
      client: rpcClient({ retries: 0, wrappers: [breaker({ failures: 9, by: 'endpoint' })] }),
    }).start();
    app.resolve(Probe).failures = 1;
    const client = app.client(ProbeClient);
    await assert.rejects(client.again({}), has('unavailable'));
    const held = client.wait({});
    const release = await app.resolve(Probe).waiting.next();
    await assert.rejects(client.wait({}), has('resource_exhausted'));
    const samples = await read(subject);
    const stats = (await app.service().client.call({
      service: 'probe',
      endpoint: 'Debug.Stats',
      body: {},
      contentType: 'application/json',
    })) as {
      readings: Readonly<Record<string, number>>;
    };
    release();
    await held;
    // Of two that tell calls apart in the same way the one that is open.
    const said = [
      ['breaker_state', 'probe Probe.Again', 2],
      ['breaker_state', 'probe Probe.Wait', 0],
      ['bulkhead_running', '', 1],
      ['bulkhead_refused_total', '', 1],
      ['shed_running', 'probe Probe.Wait', 1],
      ['shed_limit', 'probe Probe.Wait', 20],
      ['ratelimit_names', '', 1],
    ] as const;
    for (const [what, name, value] of said) {
      assert.equal(samples.get(`octavo_${what} name=${name}`), value, what);
      // Who asks has a place, too.
      const more = what === 'bulkhead_running' ? 1 : 0;
      assert.equal(stats.readings[name === '' ? what : `${what} ${name}`], value + more, what);
    }
    await app.stop();
    assert.equal((await read(subject)).get('octavo_bulkhead_running name='), undefined);
  });

  it('shows connections, the registry and the broker of the apps that run', async () => {
    const subject = await metrics();
    const options = { client: rpcClient({ wrappers: [subject], maxConnections: 1 }), transport: http() };
    await using app = await TestApp.create({ services: [Probe], ...options }).start();
    const { events, waiting } = app.resolve(Probe);
    const client = app.client(ProbeClient);
    await app.service().client.publish({ topic: 'things', body: {}, type: Ask });
    await events.next();
    const held = client.wait({});
    const release = await waiting.next();
    const queued = client.echo({});
    const samples = await read(subject);
    for (const [key, value] of Object.entries({
      'connections state=busy transport=http': 1,
      'connections state=idle transport=http': 0,
      'connections state=accepted transport=http': 1,
      'connections_waiting transport=http': 1,
      'registry_services registry=memory': 1,
      'registry_stale_services registry=memory': 0,
      'registry_questions_total registry=memory': 1,
      'registry_failures_total registry=memory': 0,
      'broker_connected broker=memory': 1,
      'broker_published_total broker=memory': 1,
      'broker_publish_failures_total broker=memory': 0,
      'broker_delivered_total broker=memory': 1,
    }))
      assert.equal(samples.get(`octavo_${key}`), value, key);
    const answered = samples.get('octavo_registry_last_answer_timestamp_seconds registry=memory') ?? 0;
    assert.ok(Math.abs(answered - Date.now() / 1_000) < 60);
    release();
    await Promise.all([held, queued]);
    await app.stop();
    assert.equal((await read(subject)).get('octavo_broker_connected broker=memory'), undefined);
  });

  it('counts by the names of go-micro too, where it is asked to', async () => {
    const subject = await metrics({ goMicro: { name: 'desk', version: '1', id: 'desk-1' } });
    await using app = await Wrapping.start({
      client: { wrappers: [subject], retries: 0 },
      server: { wrappers: [subject], subscriberWrappers: [subject] },
    });
    await app.client.echo({});
    await assert.rejects(app.client.fail({ text: 'x' }));
    await app.service.client.publish({ topic: 'things', body: {}, type: Ask });
    await app.clock.advance(1);
    const samples = await read(subject);
    const own = 'micro_id=desk-1 micro_name=desk';
    const counted = (endpoint: string, status: string): number | undefined =>
      samples.get(
        `micro_request_total micro_endpoint=${endpoint} ${own} micro_status=${status} micro_version=1`,
      );
    assert.equal(counted('Probe.Echo', 'success'), 1);
    assert.equal(counted('probe.Probe.Echo', 'success'), 1);
    assert.equal(counted('Probe.Fail', 'failure'), 1);
    assert.equal(counted('things', 'success'), 1);
    const at = `micro_endpoint=things ${own} micro_version=1`;
    assert.equal(samples.get(`micro_latency_microseconds_count ${at}`), 1);
    assert.equal(samples.get(`micro_request_duration_seconds_count ${at}`), 1);
    assert.deepEqual(subject.exposes?.prefixes, ['octavo_', 'micro_']);
    const alike = await metrics({ prefix: 'micro_', goMicro: {} });
    assert.deepEqual(alike.exposes?.prefixes, ['micro_']);
    assert.ok(samplesOf(await alike.text()));
  });

  it('does not grow with the names that it is given', async () => {
    const subject = await metrics({ goMicro: {} });
    const clock = new VirtualClock();
    const lines = async (from: number, to: number): Promise<number> => {
      for (let n = from; n < to; n++)
        for (const more of [{}, { side: 'client' }, { kind: 'event' }] as const)
          await subject(aCall(clock, { endpoint: `Probe.E${n}`, ...more }), async () => ({ body: {} }));
      return (await subject.text()).split('\n').length;
    };
    const before = await lines(0, 1_000);
    assert.equal(await lines(1_000, 10_000), before);
  });

  it('does not grow with names that are long, or of many breakers', async () => {
    const subject = await metrics();
    const guard = breaker({ by: ({ endpoint }) => endpoint, maxNames: 5_000 });
    const limits = shed({ by: ({ endpoint }) => endpoint });
    const clock = new VirtualClock();
    for (let n = 0; n < 5_000; n++) {
      const call = aCall(clock, { endpoint: `${n}${'x'.repeat(10_000)}` });
      for (const wrapper of [subject, guard, limits]) await wrapper(call, async () => ({ body: {} }));
    }
    const server = rpcServer({ wrappers: [guard, limits, subject] });
    await using app = await TestApp.create({ services: [Probe], server }).start();
    await app.client(ProbeClient).echo({});
    const text = await subject.text();
    assert.ok(text.length < 2_000_000, `${text.length}`);
    const samples = samplesOf(text);
    assert.equal([...samples.keys()].filter((key) => key.startsWith('octavo_breaker_state')).length, 1_000);
    const stats = await app
      .service()
      .client.call({ service: 'probe', endpoint: 'Debug.Stats', body: {}, contentType: 'application/json' });
    assert.ok(JSON.stringify(stats).length < 400_000);
  });

  it('stands on the class of a client, and around what is published', async () => {
    const subject = await metrics();
    @Wrap(subject)
    class Watched extends ClientOf(Probe) {}
    @Injectable()
    class User {
      constructor(readonly client: Watched) {}
    }
    @Service({ name: 'user' })
    class Using {
      constructor(readonly user: User) {}
      @Handler(Ask, Told)
      async ask(): Promise<Told> {
        return this.user.client.echo({});
      }
    }
    const client = rpcClient({ publishWrappers: [subject] });
    await using app = await TestApp.create({ services: [Using, Probe], client, transport: http() }).start();
    await app.resolve(Using).ask();
    await app.service().client.publish({ topic: 'things', body: { text: 'abc' }, type: Ask });
    const { address = '' } = app.service().server.node ?? {};
    const samples = samplesOf(await (await fetch(`http://${address}/metrics`)).text());
    const counted = (labels: string): number | undefined => samples.get(`octavo_calls_total ${labels}`);
    assert.equal(counted('around=call code=ok endpoint=Probe.Echo kind=unary service=probe'), 1);
    const published = [...samples].find(([key]) => key.includes('around=publish code=ok endpoint=things'));
    assert.equal(published?.[1], 1);
    const bytes = [...samples].find(([key]) =>
      /^octavo_message_bytes_total direction=sent endpoint=things/.test(key),
    );
    assert.equal(bytes?.[1], 5);
  });

  it('tells so many endpoints apart, however a topic or a foreign call is named', async () => {
    const subject = await metrics({ maxEndpoints: 2 });
    const clock = new VirtualClock();
    for (const endpoint of ['a"\\\n', 'b', 'c', 'd']) await subject(aCall(clock, { endpoint }), streamed(1));
    const counts = [...(await read(subject))].filter(([name]) => name.startsWith('octavo_calls_total'));
    assert.deepEqual(
      counts.map(([, count]) => count),
      [1, 1, 2],
    );
    assert.match(counts[2]?.[0] ?? '', /endpoint=other/);
  });

  it('counts a call that is cancelled as what it is', async () => {
    const subject = await metrics();
    const call = aCall(new VirtualClock(), { kind: 'bidi' });
    await subject(call, streamed(1));
    call.context.cancel(new OctavoError('cancelled', 'enough'));
    const hold = held();
    void subject(aCall(new VirtualClock()), hold.next.bind(hold));
    const samples = await read(subject);
    assert.equal(
      samples.get(
        'octavo_calls_total around=handler code=cancelled endpoint=Probe.Echo kind=bidi service=probe',
      ),
      1,
    );
    assert.equal(samples.get('octavo_calls_in_flight around=handler endpoint=Probe.Echo service=probe'), 1);
  });

  it('is served on the port of the service', async () => {
    const subject = await metrics();
    const server = rpcServer({ wrappers: [subject] });
    await using app = await TestApp.create({ services: [Probe], transport: http(), server }).start();
    await app.client(ProbeClient).echo({});
    const { address = '' } = app.service().server.node ?? {};
    const response = await fetch(`http://${address}/metrics`);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const samples = samplesOf(await response.text());
    assert.equal(
      samples.get('octavo_calls_total around=handler code=ok endpoint=Probe.Echo kind=unary service=probe'),
      1,
    );
  });
});
