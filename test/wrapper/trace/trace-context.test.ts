import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { ProxyTracerProvider } from '@opentelemetry/api';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace-node';
import { Handler, Service } from '../../../decorators/index.js';
import { ClientOf } from '../../../src/client/proxy.js';
import { rpc as rpcServer } from '../../../src/server/rpc.js';
import { TestApp } from '../../../src/testing/test-app.js';
import { log } from '../../../src/wrapper/log.js';
import { trace } from '../../../src/wrapper/trace.js';
import type { Wrapper } from '../../../src/wrapper/wrapper.js';
import { Ask, Told } from '../../conformance/probe.js';
import { activate, FOREIGN, only, Spans, Tracing, TRACEPARENT } from '../../support/tracing.js';

before(activate);

@Service({ name: 'plain' })
class Plain {
  @Handler(Ask, Told)
  async echo(): Promise<Told> {
    return new Told();
  }
}

class PlainClient extends ClientOf(Plain) {}

describe('a trace from elsewhere', () => {
  it('is gone on with, state and all, and is not doubled on the way', async () => {
    const came: string[][] = [];
    const look: Wrapper = (call, next) => {
      came.push(call.metadata.getAll('traceparent'), call.metadata.getAll('tracestate'));
      return next(call);
    };
    await using app = await Tracing.start({
      at: ['call', 'attempt', 'handler'],
      client: { callWrappers: [look] },
    });
    const metadata = { TraceParent: TRACEPARENT, tracestate: 'a=1,b=2' };
    await app.client.echo({}, { metadata });
    const [attempt, call] = app.spans.of('CLIENT');
    assert.equal(call?.parentSpanContext?.spanId, FOREIGN.span);
    assert.deepEqual(came, [[`00-${FOREIGN.trace}-${attempt?.spanContext().spanId}-01`], ['a=1,b=2']]);
    const server = only(app.spans.of('SERVER'));
    assert.equal(server.parentSpanContext?.spanId, attempt?.spanContext().spanId);
    assert.equal(server.spanContext().traceId, FOREIGN.trace);
    assert.equal(server.spanContext().traceState?.serialize(), 'a=1,b=2');
  });

  it('that a caller gives by hand goes before the span that is active', async () => {
    await using app = await Tracing.start({ at: ['call'] });
    await app.spans.provider.getTracer('user').startActiveSpan('active', async (span) => {
      await app.client.echo({}, { metadata: { traceparent: TRACEPARENT } });
      span.end();
    });
    assert.equal(only(app.spans.of('CLIENT')).parentSpanContext?.spanId, FOREIGN.span);
  });

  it('that says nothing valid is as if there were none', async () => {
    await using app = await Tracing.start({ at: ['handler'] });
    const { trace: id, span } = FOREIGN;
    const invalid = [
      '',
      'x',
      `00-${id}-${span}`,
      `00-${id}-${span}-01-more`,
      `ff-${id}-${span}-01`,
      `00-${'0'.repeat(32)}-${span}-01`,
      `00-${id}-${'0'.repeat(16)}-01`,
      `00-${id.toUpperCase()}-${span}-01`,
      `00-${id}-${span}-1`,
      `00-${id}-${span}-01,00-${id}-${span}-01`,
      'x'.repeat(5_000),
    ];
    for (const traceparent of invalid)
      await app.client.echo({}, { metadata: { traceparent, tracestate: 'a=1' } });
    assert.equal(app.spans.all.length, invalid.length);
    for (const each of app.spans.all) {
      assert.equal(each.parentSpanContext, undefined);
      assert.notEqual(each.spanContext().traceId, id);
      assert.equal(each.spanContext().traceState, undefined);
    }
    // A later version may have more, and is read as far as it is known.
    app.spans.clear();
    await app.client.echo({}, { metadata: { traceparent: `01-${id}-${span}-01-more` } });
    assert.equal(only(app.spans.all).spanContext().traceId, id);
  });

  it('that is not sampled stays so: no span anywhere, and the flag travels', async () => {
    const came: (string | undefined)[] = [];
    const look: Wrapper = (call, next) => {
      came.push(call.metadata.get('traceparent'));
      return next(call);
    };
    await using app = await Tracing.start({
      sampler: new AlwaysOffSampler(),
      server: { wrappers: [look] },
    });
    await app.client.echo({}, { metadata: { traceparent: TRACEPARENT } });
    await app.client.echo({});
    assert.deepEqual(app.spans.all, []);
    assert.match(came[0] ?? '', new RegExp(`^00-${FOREIGN.trace}-[0-9a-f]{16}-00$`));
    assert.match(came[1] ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.deepEqual(app.wrapper.spans(), []);
  });

  it('goes on as it came where no SDK is there', async () => {
    const came: (string | undefined)[] = [];
    const look: Wrapper = (call, next) => {
      came.push(call.metadata.get('traceparent'));
      return next(call);
    };
    await using app = await Tracing.start({
      trace: { provider: new ProxyTracerProvider() },
      server: { wrappers: [look] },
    });
    await app.client.echo({}, { metadata: { traceparent: TRACEPARENT } });
    await app.client.echo({});
    assert.deepEqual(came, [TRACEPARENT, undefined]);
  });

  it('shows its id in the log, also where it began here', async () => {
    const spans = new Spans();
    const server = rpcServer({ wrappers: [await trace({ provider: spans.provider }), log()] });
    await using app = await TestApp.create({ services: [Plain], server }).start();
    await app.client(PlainClient).echo({});
    const line = app.logs.records.find(({ message }) => message === 'call');
    assert.equal(line?.fields['trace'], only(spans.of('SERVER')).spanContext().traceId);
  });
});
