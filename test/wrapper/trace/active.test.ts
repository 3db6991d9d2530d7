import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Handler, Service, Subscribe } from '../../../decorators/index.js';
import { ClientOf } from '../../../src/client/proxy.js';
import { tcp } from '../../../src/transport/tcp.js';
import { Ask, Told } from '../../conformance/probe.js';
import { activate, FOREIGN, Spans, Tracing, TRACEPARENT } from '../../support/tracing.js';

before(activate);

/** A user's own spans. */
class Tracer {
  app: Tracing['service'] | undefined;
  spans: Spans | undefined;

  async span<T>(name: string, run: () => Promise<T>): Promise<T> {
    const tracer = this.spans?.provider.getTracer('user') ?? assert.fail('not yet');
    return tracer.startActiveSpan(name, async (span) => {
      try {
        return await run();
      } finally {
        span.end();
      }
    });
  }
}

@Service({ name: 'nest' })
class Nest {
  constructor(private readonly tracer: Tracer) {}

  @Handler(Ask, Told)
  async outer(): Promise<Told> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.tracer.span('mine', async () => {
      await this.tracer.app?.client.call(INNER, {});
      return new Told();
    });
  }

  @Handler(Ask, Told, { stream: 'server' })
  async *items(): AsyncIterable<Told> {
    yield new Told();
    await this.tracer.span('of an item', async () => {});
    yield new Told();
    await this.tracer.app?.client.call(INNER, {});
  }

  @Handler(Ask, Told)
  async publishes(): Promise<Told> {
    await this.tracer.app?.client.publish({ topic: 'nested', body: {}, type: Ask });
    return new Told();
  }

  @Handler(Ask, Told)
  async inner(): Promise<Told> {
    return new Told();
  }

  @Subscribe('nested', Ask)
  async onNested(): Promise<void> {
    await this.tracer.span('of an event', async () => {});
  }
}

const INNER = { service: 'nest', endpoint: 'Nest.Inner', body: new Uint8Array() } as const;

class NestClient extends ClientOf(Nest) {}

describe('the trace that is active', () => {
  const nesting = async (
    at: Parameters<typeof Tracing.start>[0],
  ): Promise<Tracing & { readonly tracer: Tracer }> => {
    const tracer = new Tracer();
    const app = await Tracing.start({ services: [Nest], ...at, provide: [[Tracer, () => tracer]] });
    tracer.app = app.service;
    tracer.spans = app.spans;
    return Object.assign(app, { tracer });
  };

  it('in a handler is its span’s: a user’s own spans and calls are inside, and a call is inside a user’s span', async () => {
    await using app = await nesting({ at: ['call', 'handler'], transport: tcp() });
    await app.tracer.span('outside', async () => app.service.resolve(NestClient).outer({}));
    assert.deepEqual(app.spans.tree(), [
      {
        outside: [
          { 'nest.Nest/Outer': [{ 'nest.Nest/Outer': [{ mine: [{ octavo: ['nest.Nest/Inner'] }] }] }] },
        ],
      },
    ]);
  });

  it('is so in a handler that is a generator, whenever its items are asked for', async () => {
    await using app = await nesting({ at: ['call', 'handler'] });
    for await (const item of app.service.resolve(NestClient).items({})) assert.ok(item instanceof Told);
    assert.deepEqual(app.spans.tree(), [
      { 'nest.Nest/Items': [{ 'nest.Nest/Items': [{ octavo: ['nest.Nest/Inner'] }, 'of an item'] }] },
    ]);
  });

  it('goes on with what is published, and is the delivery’s own in a subscriber', async () => {
    await using app = await nesting({ at: ['call', 'handler', 'publish', 'subscriber'] });
    await app.service.resolve(NestClient).publishes({});
    await app.service.stop();
    assert.deepEqual(app.spans.tree(), [
      {
        'nest.Nest/Publishes': [
          { 'nest.Nest/Publishes': [{ 'publish nested': [{ 'process nested': ['of an event'] }] }] },
        ],
      },
    ]);
  });

  it('is handed on by what is not traced itself: a bare client, a bare publish', async () => {
    await using app = await nesting({ at: ['handler', 'subscriber'] });
    await app.service.resolve(NestClient).outer({}, { metadata: { traceparent: TRACEPARENT } });
    await app.service.resolve(NestClient).publishes({}, { metadata: { traceparent: TRACEPARENT } });
    await app.service.stop();
    assert.deepEqual(app.spans.tree(), [
      { 'nest.Nest/Outer': ['mine', 'nest.Nest/Inner'] },
      { 'nest.Nest/Publishes': [{ 'process nested': ['of an event'] }] },
    ]);
    for (const span of app.spans.all) assert.equal(span.spanContext().traceId, FOREIGN.trace);
  });
});
