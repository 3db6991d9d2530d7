import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { KubernetesRegistry } from '../../src/registry/kubernetes.js';
import type { RegistryEvent, ServiceRecord } from '../../src/registry/registry.js';
import { KubeServer } from '../support/kube-server.js';
import { greeter, idsOf, KubeBench } from './support/kube-bench.js';

let server: KubeServer;
let bench: KubeBench;
let namespace = '';
let tests = 0;
before(async () => {
  server = await KubeServer.start();
  bench = new KubeBench(server);
});
after(() => server.stop());
beforeEach(async () => {
  namespace = `services-${++tests}`;
  await server.namespace(namespace);
});

interface Endpoint {
  readonly address: string;
  readonly pod?: string;
  readonly ready?: boolean;
  readonly terminating?: boolean;
  readonly zone?: string;
}

interface SliceOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly object[];
  readonly addressType?: string;
}

/** What a Service's controller would make, or change. */
async function slice(
  name: string,
  service: string,
  endpoints: readonly Endpoint[],
  options: SliceOptions = {},
): Promise<void> {
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const { labels, ports = [{ name: 'rpc', port: 8080 }], addressType = 'IPv4' } = options;
  const body = {
    metadata: { name, labels: { 'kubernetes.io/service-name': service, ...labels } },
    addressType,
    ports,
    endpoints: endpoints.map(({ address, pod, ready, terminating, zone }) => ({
      addresses: [address],
      conditions: { ready, terminating },
      ...(pod && { targetRef: { kind: 'Pod', name: pod } }),
      ...(zone && { zone }),
    })),
  };
  const { status } = await server.ask('GET', `${path}/${name}`);
  if (status === 404) await server.must('POST', path, { body });
  else await server.must('PATCH', `${path}/${name}`, { body });
}

async function finding(options: { servicePort?: string } = {}): Promise<KubernetesRegistry> {
  return bench.started({ namespace, services: true, ...options });
}

function test(name: string, run: () => Promise<void>): void {
  it(name, () => bench.use(run));
}

async function told(changes: AsyncIterator<RegistryEvent>, count: number): Promise<string[]> {
  const said: string[] = [];
  while (said.length < count) {
    const { value, done } = await changes.next();
    if (done === true) throw new Error(`the watch ended after ${said.join()}`);
    said.push(`${value.action} ${value.service.nodes[0]?.id}`);
  }
  return said.sort();
}

describe('Services that no pod has registered', () => {
  test('are found where that is asked for: their endpoints that are ready', async () => {
    const labels = { 'app.kubernetes.io/version': '2.1' };
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'rpc', port: 8080, appProtocol: 'mucp' },
    ];
    await slice(
      'web-1',
      'web',
      [
        { address: '10.0.0.1', pod: 'web-a', ready: true, zone: 'north' },
        { address: '10.0.0.2', pod: 'web-b', ready: false },
        { address: '10.0.0.3', pod: 'web-c', ready: true, terminating: true },
        { address: '10.0.0.4' },
      ],
      { labels, ports },
    );
    const registry = await finding();
    const wanted: ServiceRecord[] = [
      {
        name: 'web',
        version: '2.1',
        metadata: {},
        endpoints: [],
        nodes: [
          { id: 'web-web-a', address: '10.0.0.1:8080', metadata: { protocol: 'mucp', zone: 'north' } },
          { id: 'web-10.0.0.4', address: '10.0.0.4:8080', metadata: { protocol: 'mucp' } },
        ],
      },
    ];
    assert.deepEqual(await registry.getService('web'), wanted);
    assert.deepEqual(await registry.listServices(), ['web']);
    const without = await bench.started({ namespace });
    assert.deepEqual(await without.getService('web'), []);
    assert.deepEqual(await without.listServices(), []);
  });

  test('are dialled at the port of the name that is given, and by IPv6 too', async () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'rpc', port: 8080 },
    ];
    await slice('web-1', 'web', [{ address: 'fd00::1' }], { ports, addressType: 'IPv6' });
    await slice('plain-1', 'plain', [{ address: '10.0.0.1' }], { ports: [{ name: '', port: 90 }] });
    const registry = await finding({ servicePort: 'rpc' });
    assert.equal((await registry.getService('web'))[0]?.nodes[0]?.address, '[fd00::1]:8080');
    assert.deepEqual(await registry.listServices(), ['web']);
    assert.equal((await (await finding()).getService('plain'))[0]?.version, 'latest');
  });

  test('have a node for each pod, also where it has addresses of two families', async () => {
    await slice('web-1', 'web', [{ address: '10.0.0.1', pod: 'web-a' }]);
    await slice('web-2', 'web', [{ address: 'fd00::1', pod: 'web-a' }], { addressType: 'IPv6' });
    const registry = await finding();
    assert.equal(await idsOf(registry, 'web'), 'web-web-a');
    const changes = registry.watch()[Symbol.asyncIterator]();
    await registry.getService('web');
    await slice('web-1', 'web', []);
    assert.deepEqual(await told(changes, 1), ['update web-web-a']);
    await slice('web-2', 'web', [], { addressType: 'IPv6' });
    assert.deepEqual(await told(changes, 1), ['delete web-web-a']);
  });

  test('are watched', async () => {
    const registry = await finding();
    const [all, one] = [registry.watch(), registry.watch({ service: 'web' })].map((each) =>
      each[Symbol.asyncIterator](),
    );
    await registry.getService('web');
    await slice('web-1', 'web', [{ address: '10.0.0.1' }, { address: '10.0.0.2' }]);
    await slice('web-1', 'web', [{ address: '10.0.0.2' }]);
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/web-1`;
    await server.must('DELETE', path);
    for (const changes of [all, one])
      assert.deepEqual(changes && (await told(changes, 4)), [
        'create web-10.0.0.1',
        'create web-10.0.0.2',
        'delete web-10.0.0.1',
        'delete web-10.0.0.2',
      ]);
  });

  test('give way to what pods say of themselves, as long as they do', async () => {
    await server.pod(namespace, 'greeter-1');
    const registry = await bench.started({ namespace, services: true, pod: 'greeter-1' });
    const changes = registry.watch()[Symbol.asyncIterator]();
    await registry.getService('greeter');
    await slice('greeter-1', 'greeter', [{ address: '10.0.0.1', pod: 'greeter-1' }]);
    assert.deepEqual(await told(changes, 1), ['create greeter-greeter-1']);
    await registry.register(greeter('a'));
    assert.deepEqual(await told(changes, 2), ['create a', 'delete greeter-greeter-1']);
    assert.equal(await idsOf(registry), 'a');
    await registry.deregister(greeter('a'));
    assert.deepEqual(await told(changes, 2), ['create greeter-greeter-1', 'delete a']);
    assert.equal(await idsOf(registry), 'greeter-greeter-1');
  });

  test('are asked for by no name that a Service cannot have', async () => {
    const registry = await finding();
    for (const name of ['A.b', 'x'.repeat(64), 'a b', ',', ''])
      assert.deepEqual(await registry.getService(name), []);
  });
});
