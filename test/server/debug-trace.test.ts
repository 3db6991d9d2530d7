import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Handler, Service, Wrap } from '../../decorators/index.js';
import { ClientOf } from '../../src/client/proxy.js';
import { schemaOf } from '../../src/schema/schema.js';
import { traceEndpoint } from '../../src/server/debug-trace.js';
import { TestApp } from '../../src/testing/test-app.js';
import { trace } from '../../src/wrapper/trace.js';
import type { Call } from '../../src/wrapper/wrapper.js';
import { Ask, Told } from '../conformance/probe.js';
import { only, Spans, Tracing } from '../support/tracing.js';
import { has } from '../support/wrapping.js';

/** Asks the app's own endpoint for the spans that it remembers. */
async function debugTrace(app: Tracing, id = ''): Promise<Readonly<Record<string, unknown>>[]> {
  const request = {
    service: 'probe',
    endpoint: 'Debug.Trace',
    contentType: 'application/json',
    body: { id },
  };
  // The form of go-micro's reply.
  const { spans = [] } = (await app.service.client.call(request)) as { spans?: Record<string, unknown>[] };
  return spans;
}

@Service({ name: 'plain' })
class Plain {
  @Handler(Ask, Told)
  async echo(): Promise<Told> {
    return new Told();
  }
}

describe('Debug.Trace', () => {
  it('gives the newest spans of the process, in go-micro’s form', async () => {
    await using app = await Tracing.start({ trace: { keep: 5 } });
    const begun = Date.now();
    for (let n = 0; n < 3; n++) await app.client.echo({});
    const ids = app.spans.all.slice(-3).map((span) => span.spanContext().spanId);
    const spans = await debugTrace(app);
    assert.equal(spans.length, 5);
    const [server, attempt, call] = spans.slice(-3);
    assert.deepEqual([server?.['id'], attempt?.['id'], call?.['id']], ids);
    assert.deepEqual([server?.['parent'], attempt?.['parent'], call?.['parent'] ?? ''], [ids[1], ids[2], '']);
    assert.deepEqual([server?.['type'] ?? 'INBOUND', attempt?.['type']], ['INBOUND', 'OUTBOUND']);
    assert.equal(call?.['name'], 'conformance.Probe/Echo');
    assert.deepEqual(call['metadata'], {
      around: 'call',
      code: 'ok',
      service: 'probe',
      endpoint: 'Probe.Echo',
    });
    const started = Number(BigInt(String(call['started'])) / 1_000_000n);
    assert.ok(started >= begun - 1 && started <= Date.now() + 1, String(started));
    const one = await debugTrace(app, String(call['trace']));
    assert.equal(one.length, 3);
    assert.deepEqual(await debugTrace(app, 'none'), []);
  });

  it('has the bytes of go-micro’s debug.proto', async () => {
    const { method, handler } = traceEndpoint('debug', () => [
      {
        trace: 't1',
        id: 's1',
        parent: 'p1',
        name: 'shop.Desk/Visit',
        side: 'client',
        startedAt: 1_700_000_000_123.456,
        ms: 2.5,
        facts: { code: 'ok' },
      },
    ]);
    // What the endpoint gives is of the type that it declares; no context is looked at.
    const reply = handler({ id: '' }, undefined as never) as object;
    assert.equal(
      Buffer.from(schemaOf(method.reply).encode(reply)).toString('hex'),
      // By protoc --encode=debug.TraceResponse, from the file of go-micro v4.11.0.
      '0a3a0a027431120273311a027031220f73686f702e4465736b2f566973697428809497ece39fe7cb1730a0cb98013a0a0a04636f646512026f6b4001',
    );
  });

  it('is there only where something remembers spans, be it around one method', async () => {
    const spans = new Spans();
    const wrapper = await trace({ provider: spans.provider });
    @Service({ name: 'one' })
    class One {
      @Handler(Ask, Told)
      @Wrap(wrapper)
      async echo(): Promise<Told> {
        return new Told();
      }
    }
    class OneClient extends ClientOf(One) {}
    await using app = await TestApp.create({ services: [Plain, One] }).start();
    await app.client(OneClient).echo({});
    const ask = (service: string): Promise<unknown> =>
      app
        .service()
        .client.call({ service, endpoint: 'Debug.Trace', contentType: 'application/json', body: {} });
    assert.equal(((await ask('one')) as { spans: unknown[] }).spans.length, 1);
    await assert.rejects(ask('plain'), has('unimplemented'));
  });

  it('is not traced itself, unless asked', async () => {
    const ignored: Call[] = [];
    await using app = await Tracing.start({
      trace: {
        ignore: (call) => {
          ignored.push(call);
          return call.endpoint === 'Probe.Echo';
        },
      },
      at: ['handler'],
    });
    await app.client.echo({});
    await debugTrace(app);
    assert.equal(only(app.spans.all).name, 'conformance.Debug/Trace');
    assert.equal(ignored.length, 2);
  });
});
