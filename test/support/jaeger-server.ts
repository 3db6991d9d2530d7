import { tmpdir } from 'node:os';
import { freePorts } from './free-port.js';
import { ServerProcess } from './server-process.js';

/** A span as Jaeger's query API shows it, in a tree. */
export interface JaegerSpan {
  /** The service that sent it. */
  readonly service: string;
  readonly name: string;
  readonly kind: string;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly children: readonly JaegerSpan[];
}

interface Answer {
  readonly data: readonly {
    readonly spans: readonly {
      readonly spanID: string;
      readonly operationName: string;
      readonly processID: string;
      readonly references: readonly { readonly spanID: string }[];
      readonly tags: readonly { readonly key: string; readonly value: unknown }[];
    }[];
    readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
  }[];
}

/** A Jaeger of a test's own, whose spans are in its memory. */
export class JaegerServer {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is to say. */
  readonly endpoint: string;
  readonly #query: string;
  readonly #process: ServerProcess;

  private constructor(endpoint: string, query: string, process: ServerProcess) {
    this.endpoint = endpoint;
    this.#query = query;
    this.#process = process;
  }

  static async start(): Promise<JaegerServer> {
    const ports = await freePorts(8);
    const at = (n: number): string => `127.0.0.1:${ports[n]}`;
    const args = [
      `--collector.otlp.http.host-port=${at(0)}`,
      `--query.http-server.host-port=${at(1)}`,
      // It has more doors than are used here, each with a port of its own.
      `--collector.otlp.grpc.host-port=${at(2)}`,
      `--collector.grpc-server.host-port=${at(3)}`,
      `--collector.http-server.host-port=${at(4)}`,
      `--query.grpc-server.host-port=${at(5)}`,
      `--admin.http.host-port=${at(6)}`,
      `--http-server.host-port=${at(7)}`,
      '--processor.jaeger-binary.server-host-port=127.0.0.1:0',
      '--processor.jaeger-compact.server-host-port=127.0.0.1:0',
      '--processor.zipkin-compact.server-host-port=127.0.0.1:0',
    ];
    const query = `http://${at(1)}/api/traces`;
    const { server } = await ServerProcess.start('jaeger', args, tmpdir(), () => isReady(query, at(0)), {
      COLLECTOR_OTLP_ENABLED: 'true',
    });
    return new JaegerServer(`http://${at(0)}`, query, server);
  }

  /** The traces that a service has a part in: the roots of each. */
  async traces(service: string): Promise<readonly (readonly JaegerSpan[])[]> {
    const response = await fetch(`${this.#query}?service=${encodeURIComponent(service)}&limit=1000`);
    // The form of its API.
    const { data } = (await response.json()) as Answer;
    return data.map(({ spans, processes }) => {
      const known = new Set(spans.map(({ spanID }) => spanID));
      const parentOf = ({ references }: (typeof spans)[number]): string | undefined =>
        // Where a span links to its parent, Jaeger keeps one reference of the two, FOLLOWS_FROM, and draws the span under it all the same.
        references.find(({ spanID }) => known.has(spanID))?.spanID;
      const under = (parent: string | undefined): JaegerSpan[] =>
        spans
          .filter((span) => parentOf(span) === parent)
          .map(({ spanID, operationName, processID, tags }) => {
            const named = Object.fromEntries(tags.map(({ key, value }) => [key, value]));
            return {
              service: processes[processID]?.serviceName ?? '',
              name: operationName,
              kind: String(named['span.kind']),
              tags: named,
              children: under(spanID),
            };
          });
      return under(undefined);
    });
  }

  async stop(): Promise<void> {
    await this.#process.kill();
  }
}

/** Whether it answers queries and takes spans. */
async function isReady(query: string, collector: string): Promise<true | undefined> {
  try {
    const asked = await fetch(`${query}?service=none`);
    const taken = await fetch(`http://${collector}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"resourceSpans":[]}',
    });
    return asked.ok && taken.ok ? true : undefined;
  } catch {
    return undefined;
  }
}
