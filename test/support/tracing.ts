import assert from 'node:assert/strict';
import { SpanKind } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan,
  type Sampler,
} from '@opentelemetry/sdk-trace-node';
import type { Broker } from '../../src/broker/broker.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { ClientOptions } from '../../src/client/client.js';
import type { Provider } from '../../src/core/provider.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import type { ServerOptions } from '../../src/server/server.js';
import type { AppOptions, Service } from '../../src/service/service.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import type { Transport } from '../../src/transport/transport.js';
import type { ServiceClass } from '../../src/schema/service-declaration.js';
import { trace, type Trace, type TraceOptions } from '../../src/wrapper/trace.js';
import { Probe, ProbeClient } from '../conformance/probe.js';

/** A trace that began elsewhere, as `traceparent` says it. */
export const FOREIGN = { trace: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' };
export const TRACEPARENT = `00-${FOREIGN.trace}-${FOREIGN.span}-01`;

/** Has the SDK know what is active, as an application does once. The spans of each test go to a provider of its own. */
export function activate(): void {
  new NodeTracerProvider().register();
}

export function only(spans: readonly ReadableSpan[]): ReadableSpan {
  assert.equal(spans.length, 1);
  return spans[0] ?? assert.fail();
}

/** OpenTelemetry's own SDK, whose spans stay here. */
export class Spans {
  readonly #exporter = new InMemorySpanExporter();
  readonly provider: NodeTracerProvider;

  constructor(sampler?: Sampler) {
    this.provider = new NodeTracerProvider({
      ...(sampler && { sampler }),
      spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
    });
  }

  get all(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  clear(): void {
    this.#exporter.reset();
  }

  /** The spans of a kind, in the order in which they ended. */
  of(kind: keyof typeof SpanKind): readonly ReadableSpan[] {
    return this.all.filter((span) => span.kind === SpanKind[kind]);
  }

  /** A tree as text: each span under its parent, in the order of their names. */
  tree(name: (span: ReadableSpan) => string = ({ name: own }) => own): unknown {
    const known = new Set(this.all.map((span) => span.spanContext().spanId));
    const under = (id: string | undefined): unknown[] =>
      this.all
        .filter(({ parentSpanContext: parent }) =>
          id === undefined ? parent === undefined || !known.has(parent.spanId) : parent?.spanId === id,
        )
        .sort((a, b) => (name(a) < name(b) ? -1 : 1))
        .map((span) => {
          const children = under(span.spanContext().spanId);
          return children.length === 0 ? name(span) : { [name(span)]: children };
        });
    return under(undefined);
  }
}

export interface TracingOptions {
  readonly services?: readonly ServiceClass[];
  readonly transport?: Provider<Transport>;
  readonly broker?: Provider<Broker>;
  readonly provide?: AppOptions['provide'];
  readonly trace?: TraceOptions;
  readonly sampler?: Sampler;
  /** @defaultValue rpc's */
  readonly wire?: { readonly client: typeof rpcClient; readonly server: typeof rpcServer };
  readonly client?: ClientOptions;
  readonly server?: ServerOptions;
  /** Where the wrapper stands. @defaultValue everywhere */
  readonly at?: readonly ('call' | 'attempt' | 'publish' | 'handler' | 'subscriber')[];
}

const EVERYWHERE = ['call', 'attempt', 'publish', 'handler', 'subscriber'] as const;

/** The probe and a client of it, traced. */
export class Tracing {
  readonly spans: Spans;
  readonly wrapper: Trace;
  readonly service: Service;

  private constructor(spans: Spans, wrapper: Trace, service: Service) {
    this.spans = spans;
    this.wrapper = wrapper;
    this.service = service;
  }

  static async start(options: TracingOptions = {}): Promise<Tracing> {
    const spans = new Spans(options.sampler);
    const wrapper = await trace({ provider: spans.provider, ...options.trace });
    const { at = EVERYWHERE, wire = { client: rpcClient, server: rpcServer } } = options;
    const here = (place: (typeof EVERYWHERE)[number]): Trace[] => (at.includes(place) ? [wrapper] : []);
    const service = createService({
      services: options.services ?? [Probe],
      ...(options.provide && { provide: options.provide }),
      registry: memoryRegistry(),
      broker: options.broker ?? memoryBroker(),
      transport: options.transport ?? memoryTransport(),
      client: wire.client({
        backoff: () => 1,
        ...options.client,
        wrappers: here('call'),
        callWrappers: [...here('attempt'), ...(options.client?.callWrappers ?? [])],
        publishWrappers: here('publish'),
      }),
      server: wire.server({
        ...options.server,
        wrappers: [...here('handler'), ...(options.server?.wrappers ?? [])],
        subscriberWrappers: here('subscriber'),
      }),
      logger: () => new TestLogger(),
      env: {},
    });
    await service.start();
    return new Tracing(spans, wrapper, service);
  }

  get probe(): Probe {
    return this.service.resolve(Probe);
  }

  get client(): ProbeClient {
    return this.service.resolve(ProbeClient);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.stop();
  }
}
