import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { TestApp } from '../../src/testing/test-app.js';
import { http } from '../../src/transport/http.js';
import { tcp } from '../../src/transport/tcp.js';
import { breaker } from '../../src/wrapper/breaker.js';
import { metrics } from '../../src/wrapper/metrics.js';
import { Ask, Probe, ProbeClient } from '../conformance/probe.js';
import { GoGreeter, GoGreeterClient, Request as GoRequest } from '../support/go-greeter.js';
import { buildGo } from '../support/go-program.js';
import { lint, PrometheusServer } from '../support/prometheus-server.js';
import { until } from '../support/redis-bench.js';
import { samplesOf } from '../support/samples.js';

const go = buildGo('test/backends/peers/prometheus-go');

async function measuredApp(options: { readonly goMicro?: boolean } = {}) {
  const labels = { name: 'desk', version: '1', id: 'desk-1' };
  const measured = await metrics(options.goMicro === true ? { goMicro: labels } : {});
  const everywhere = [measured];
  const app = await TestApp.create({
    services: [Probe],
    transport: http(),
    server: rpcServer({ wrappers: [measured, breaker({ by: 'endpoint' })], subscriberWrappers: everywhere }),
    client: rpcClient({ wrappers: everywhere, callWrappers: everywhere, retries: 0 }),
  }).start();
  return { app, measured };
}

/** One of everything that is counted. */
async function use(app: TestApp): Promise<void> {
  const client = app.client(ProbeClient);
  for (let n = 0; n < 3; n++) await client.echo({ text: 'x' });
  await assert.rejects(client.fail({ text: 'nothing' }));
  for await (const item of client.count({ count: 5 })) assert.ok(item);
  await app.service().client.publish({ topic: 'things', body: {}, type: Ask });
  await app.resolve(Probe).events.next();
}

describe('a page of metrics', () => {
  it('is found right by promtool', async () => {
    const { app, measured } = await measuredApp();
    await using _ = app;
    await use(app);
    assert.deepEqual(lint(await measured.text()), []);
    assert.notDeepEqual(lint('# TYPE x counter\nx 1\n'), [], 'it finds something at all');
  });

  it('has nothing wrong by go-micro’s names but what go-micro has', async () => {
    const { app, measured } = await measuredApp({ goMicro: true });
    await using _ = app;
    await use(app);
    const found = lint(await measured.text());
    assert.deepEqual(found, ['micro_latency_microseconds use base unit "seconds" instead of "microseconds"']);
  });
});

describe('a Prometheus server', () => {
  it('scrapes the port of a service, and has what happened there', async () => {
    const { app } = await measuredApp();
    await using _ = app;
    await using server = await PrometheusServer.start([app.service().server.node?.address ?? '']);
    await use(app);
    const of = (labels: string): string => `{service="probe",${labels}}`;
    const values: Readonly<Record<string, number>> = {
      [`octavo_calls_total${of('around="handler",endpoint="Probe.Echo",kind="unary",code="ok"')}`]: 3,
      [`octavo_calls_total${of('around="call",endpoint="Probe.Fail",code="not_found"')}`]: 1,
      [`octavo_calls_total${of('around="subscriber",endpoint="things",code="ok"')}`]: 1,
      [`octavo_stream_items_total${of('around="call",endpoint="Probe.Count"')}`]: 5,
      [`octavo_call_duration_seconds_count${of('around="attempt",endpoint="Probe.Echo"')}`]: 3,
      [`octavo_message_bytes_total${of('side="server",direction="received",endpoint="Probe.Echo"')}`]: 9,
      'octavo_breaker_state{name="probe Probe.Echo"}': 0,
      'octavo_broker_published_total{broker="memory"}': 1,
      // A quantile is what the histogram is for.
      'histogram_quantile(1, sum by (le) (octavo_call_duration_seconds_bucket{endpoint="Probe.Echo"})) < bool 10': 1,
    };
    for (const [query, value] of Object.entries(values))
      await until(async () => (await server.value(query)) === value);
    const [target] = await server.targets();
    assert.deepEqual([target?.health, target?.lastError], ['up', '']);
  });

  it('scrapes the admin address of a service on another transport', async () => {
    const measured = await metrics();
    await using app = await TestApp.create({
      services: [Probe],
      transport: tcp(),
      server: rpcServer({ wrappers: [measured], admin: { address: '127.0.0.1:0' } }),
    }).start();
    // A server that dispatches has one.
    const { adminAddress } = app.service().server as unknown as { adminAddress: string };
    await using server = await PrometheusServer.start([adminAddress]);
    await app.client(ProbeClient).echo({});
    await until(
      async () => (await server.value('octavo_connections{transport="tcp",state="accepted"}')) === 1,
    );
  });

  it('is told by a service that counts nothing', async () => {
    await using app = await TestApp.create({ services: [Probe], transport: http() }).start();
    await using server = await PrometheusServer.start([app.service().server.node?.address ?? '']);
    await until(async () => (await server.targets())[0]?.health === 'down');
    assert.match((await server.targets())[0]?.lastError ?? '', /404/);
  });
});

describe('the names of go-micro’s plugin', { skip: go === undefined }, () => {
  it('are those that a Go process has, label by label', async () => {
    const { stdout, status } = spawnSync(go ?? '', { encoding: 'utf8' });
    assert.equal(status, 0);
    const theirs = samplesOf(stdout.slice(stdout.indexOf('# HELP')));
    const measured = await metrics({ goMicro: { name: 'desk', version: '1', id: 'desk-1' } });
    await using app = await TestApp.create({
      services: [GoGreeter],
      server: rpcServer({ wrappers: [measured], subscriberWrappers: [measured] }),
      client: rpcClient({ wrappers: [measured], retries: 0 }),
    }).start();
    const client = app.client(GoGreeterClient);
    await client.hello({});
    await client.hello({});
    await assert.rejects(client.bad({}));
    const heard = new Promise<void>((resolve) => {
      void app
        .service()
        .subscribe('things', GoRequest, () => resolve())
        .then(() => app.service().client.publish({ topic: 'things', body: {}, type: GoRequest }));
    });
    await heard;
    await until(async () => (await measured.text()).includes('micro_endpoint="things"'));
    const ours = new Map([...samplesOf(await measured.text())].filter(([key]) => key.startsWith('micro_')));
    assert.deepEqual([...ours.keys()].toSorted(), [...theirs.keys()].toSorted());
    for (const [key, value] of ours) {
      // How long things take is theirs, and there a publish is counted too.
      if (/_sum |_bucket /.test(key)) continue;
      assert.equal(value + (key.includes('micro_endpoint=things') ? 1 : 0), theirs.get(key), key);
    }
  });
});
