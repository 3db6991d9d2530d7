// With this variable, every process of the shop sends its spans there: `OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 npm run shop`.
import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { AppOptions } from '../../src/index.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { trace } from '../../src/wrapper/trace.js';

/** What a process of the shop is run with: nothing, or what traces it, which is put around rpc whatever `MICRO_SERVER` and `MICRO_CLIENT` say. */
export async function traced(name: string): Promise<AppOptions> {
  if (process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] === undefined) return {};
  // Loaded only where it is asked for, as it takes as long as all the rest.
  const { BatchSpanProcessor, NodeTracerProvider } = await import('@opentelemetry/sdk-trace-node');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': name }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  const wrapper = await trace();
  return {
    client: rpcClient({ wrappers: [wrapper], callWrappers: [wrapper], publishWrappers: [wrapper] }),
    server: rpcServer({ wrappers: [wrapper], subscriberWrappers: [wrapper] }),
    // The last spans are sent when the last call is done.
    afterStop: [() => provider.shutdown()],
  };
}
