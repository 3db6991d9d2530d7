import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { JaegerServer, type JaegerSpan } from '../support/jaeger-server.js';
import { freeUdpPort } from '../support/udp-port.js';

/** Runs the sample, to its end. */
async function shop(endpoint: string, transport: string): Promise<void> {
  const child = spawn(process.execPath, ['--enable-source-maps', 'dist/samples/shop/main.js'], {
    env: {
      PATH: process.env['PATH'],
      MICRO_REGISTRY: 'mdns',
      // Where no other one is heard.
      MICRO_REGISTRY_ADDRESS: `127.0.0.1:${await freeUdpPort()}`,
      MICRO_LOG_LEVEL: 'warn',
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      MICRO_TRANSPORT: transport,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const [status] = await once(child, 'close');
  assert.equal(status, 0, said);
}

/** A tree as text: who sent each span, of what kind, and what it is called; brothers in order of that. */
function drawn({ service, kind, name, children }: JaegerSpan): unknown {
  const text = `${service}: ${kind} ${name}`;
  const below = children.map(drawn).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return below.length === 0 ? text : { [text]: below };
}

/** A call from one service to another: the call, its one attempt, and the handler with what is inside it. */
function call(from: string, to: string, name: string, ...inside: readonly unknown[]): unknown {
  const handler = `${to}: server ${name}`;
  return {
    [`${from}: client ${name}`]: [
      { [`${from}: client ${name}`]: [inside.length === 0 ? handler : { [handler]: inside }] },
    ],
  };
}

function all(spans: readonly JaegerSpan[]): JaegerSpan[] {
  return spans.flatMap((span) => [span, ...all(span.children)]);
}

for (const transport of ['http', 'tcp'])
  describe(`the shop over ${transport}, as a real Jaeger shows it`, () => {
    let jaeger: JaegerServer;
    let traces: readonly (readonly JaegerSpan[])[] = [];
    before(async () => {
      jaeger = await JaegerServer.start();
      await shop(jaeger.endpoint, transport);
      traces = await jaeger.traces('customer');
    });
    after(() => jaeger.stop());

    it('is one tree for an order across three services, an event and its consequences', () => {
      const placed = traces.filter((roots) =>
        all(roots).some(({ name }) => name === 'publish orders.placed'),
      );
      const expected = call(
        'customer',
        'order',
        'order.Order/Place',
        call('order', 'stock', 'stock.Stock/Reserve'),
        {
          'order: producer publish orders.placed': [
            {
              'notification: consumer process orders.placed': [
                call('notification', 'order', 'order.Order/Get'),
                {
                  'notification: producer publish notifications.sent': [
                    'customer: consumer process notifications.sent',
                  ],
                },
              ],
            },
          ],
        },
      );
      // Both orders that the stock had enough for.
      assert.equal(placed.length, 2);
      for (const roots of placed) assert.deepEqual(roots.map(drawn), [expected]);
    });

    it('is one tree for streams of one service out of another’s, left in the middle', () => {
      const [followed] = traces.filter((roots) =>
        all(roots).some(({ name }) => name === 'notification.Notification/Follow'),
      );
      assert.deepEqual(followed?.map(drawn), [
        call(
          'customer',
          'notification',
          'notification.Notification/Follow',
          call('notification', 'order', 'order.Order/Get'),
          call('notification', 'order', 'order.Order/Watch', call('order', 'stock', 'stock.Stock/Progress')),
        ),
      ]);
      const stock = all(followed).find(({ kind, service }) => kind === 'server' && service === 'stock');
      assert.equal(stock?.tags['rpc.status_code'], 'CANCELLED');
    });

    it('shows what was refused, and by whom', () => {
      const refused = traces
        .flatMap(all)
        .filter(({ name, tags }) => name === 'stock.Stock/Reserve' && tags['rpc.status_code'] !== 'OK');
      assert.deepEqual(
        refused.map(({ kind, tags }) => [kind, tags['rpc.status_code'], tags['otel.status_code']]),
        [
          ['client', 'FAILED_PRECONDITION', 'ERROR'],
          ['client', 'FAILED_PRECONDITION', 'ERROR'],
          ['server', 'FAILED_PRECONDITION', undefined],
        ],
      );
    });
  });
