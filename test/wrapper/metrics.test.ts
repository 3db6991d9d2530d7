import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { TestApp } from '../../src/testing/test-app.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { http } from '../../src/transport/http.js';
import { breaker } from '../../src/wrapper/breaker.js';
import { metrics, type Metrics } from '../../src/wrapper/metrics.js';
import { conform } from '../conformance/conform.js';
import { Ask, Probe, ProbeClient } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, held, streamed, Wrapping } from '../support/wrapping.js';

/** Every sample of a text in Prometheus's format, by name and labels in order. Throws where the text is no such one. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  assert.ok(text.endsWith('\n'));
  for (const line of text.trimEnd().split('\n')) {
    if (line === '') continue;
    const [, name = '', type = ''] =
      /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line) ?? [];
    if (type !== '') types.set(name, type);
    if (line.startsWith('#')) {
      assert.match(line, /^# (HELP|TYPE) [a-zA-Z_:][\w:]* ./);
      continue;
    }
    const parts = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    assert.ok(parts !== null, line);
    const [, sample = '', labels = '', value = ''] = parts;
    const pairs = [...labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/g)];
    assert.equal(pairs.map(([all]) => all).join(''), labels, line);
    assert.ok(
      types.has(sample) || types.get(sample.replace(/_(bucket|sum|count)$/, '')) === 'histogram',
      line,
    );
    const key = `${sample} ${pairs
      .map(([, label, of]) => `${label}=${of}`)
      .sort()
      .join(' ')}`.trim();
    assert.ok(!samples.has(key), `twice: ${key}`);
    samples.set(key, Number(value));
    assert.ok(!Number.isNaN(samples.get(key)), line);
  }
  return samples;
}

async function read(subject: Metrics): Promise<Map<string, number>> {
  return parse(await subject.text());
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

  it('shows breakers', async () => {
    const guard = breaker({ failures: 1 });
    const subject = await metrics({ breakers: { guard } });
    const clock = new VirtualClock();
    await assert.rejects(guard(aCall(clock), () => Promise.reject(new OctavoError('unavailable', 'no'))));
    assert.equal((await read(subject)).get('octavo_breaker_state breaker=guard name=probe'), 2);
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
    const samples = parse(await response.text());
    assert.equal(
      samples.get('octavo_calls_total around=handler code=ok endpoint=Probe.Echo kind=unary service=probe'),
      1,
    );
  });
});
