import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import { nodesOf } from '../../src/registry/node-record.js';
import { podPatch } from '../../src/registry/kubernetes/pods.js';
import { KubernetesApi } from '../../src/registry/kubernetes/api.js';
import { ServiceAccount } from '../../src/registry/kubernetes/service-account.js';
import { KubernetesRegistry } from '../../src/registry/kubernetes.js';
import type { RegistryEvent } from '../../src/registry/registry.js';
import type { OctavoError } from '../../src/core/error.js';
import { Authority } from '../support/certificates.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { failure, timed } from '../support/nats-bench.js';
import { parts } from '../support/parts.js';
import { KubeServer } from '../support/kube-server.js';
import { greeter, idsOf, KubeBench } from './support/kube-bench.js';
import { churn } from './support/registry-churn.js';

const SECRET = 'hunter2-is-no-token';

const authority = await Authority.make();

let bench: KubeBench;
before(async () => {
  bench = new KubeBench(await KubeServer.start({ clientCa: authority.ca }));
});
after(() => bench.server.stop());

/** A test on the server of all, which stops the registries that it made. */
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
  return said;
}

async function until(registry: KubernetesRegistry, wanted: string): Promise<void> {
  while ((await idsOf(registry).catch(() => undefined)) !== wanted) await wait(20);
}

describe('the start of the kubernetes registry', () => {
  test('fails at once for a wrong token, and says that word', async () => {
    let error: OctavoError | undefined;
    const ms = await timed(async () => (error = await failure(() => bench.make({ token: SECRET }).start())));
    assert.ok(ms < 1_000, `${ms} ms`);
    assert.equal(error?.code, 'unauthenticated');
    assert.match(error?.message ?? '', /token is wrong or has expired/);
    assert.ok(!inspect([error, bench.logger.records], { depth: 10 }).includes(SECRET));
    assert.ok(!inspect(bench.make({ token: SECRET }).options).includes(SECRET));
  });

  test('says what may not be done, and what gives leave', async () => {
    const { token } = await bench.server.account('default', 'nobody');
    const error = await failure(() => bench.make({ token }).start());
    assert.equal(error.code, 'permission_denied');
    assert.match(error.message, /cannot list resource "pods".*give its account the Role/);
  });

  test('says what was tried, and for how long, where there is no API server', async () => {
    const registry = bench.make({ addresses: ['https://127.0.0.1:1'], connectTimeoutMs: 600 });
    let error: OctavoError | undefined;
    const ms = await timed(async () => (error = await failure(() => registry.start())));
    assert.ok(ms < 2_000, `${ms} ms`);
    assert.equal(error?.code, 'unavailable');
    assert.match(
      error?.message ?? '',
      /cannot reach 127\.0\.0\.1:1: connection refused \(tried for \d+ ms\)/,
    );
  });

  test('says what to set outside of a cluster, and outside of a pod', async () => {
    const outside = new KubernetesRegistry({}, parts());
    const error = await failure(() => outside.start());
    assert.equal(error.code, 'failed_precondition');
    assert.match(error.message, /KUBERNETES_SERVICE_HOST is not set: set addresses/);
    const registry = await bench.started({ pod: '' });
    assert.match(
      (await failure(() => registry.register(greeter('a')))).message,
      /HOSTNAME is not set.*set pod/,
    );
  });

  test('trusts the API server by the authority given, and nobody else', async () => {
    const error = await failure(() => bench.make({ tls: {}, connectTimeoutMs: 300 }).start());
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, /put .*into tls\.ca|put its authority there/);
  });

  test('shows a certificate of its own where that says who it is', async () => {
    const { ca } = bench.server;
    const { cert, key } = await authority.issue('ada');
    // A folder without a token.
    const options = { serviceAccount: authority.folder, tls: { ca, cert, key } };
    const registry = bench.bare(options);
    assert.match((await failure(() => registry.start())).message, /User \\?"ada\\?" cannot list resource/);
    const rbac = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
    await bench.server.must('POST', rbac, {
      body: {
        metadata: { name: 'ada' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ kind: 'User', name: 'ada' }],
      },
    });
    await registry.start();
    assert.deepEqual(await registry.getService('nobody'), []);
  });

  test('takes what a pod is given: address, token, authority and namespace', async () => {
    const { ca, port, adminToken } = bench.server;
    await bench.server.namespace('given');
    await bench.server.pod('given', 'given-1');
    const folder = await mkdtemp(join(tmpdir(), 'octavo-account-'));
    Object.assign(process.env, { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: port });
    try {
      await writeFile(join(folder, 'namespace'), 'given\n');
      await writeFile(join(folder, 'token'), 'not yet\n');
      await writeFile(join(folder, 'ca.crt'), await readFile(ca));
      const inside = new KubernetesRegistry({ serviceAccount: folder, pod: 'given-1' }, parts());
      assert.equal((await failure(() => inside.start())).code, 'unauthenticated');
      await writeFile(join(folder, 'token'), `${adminToken}\n`);
      await inside.start();
      await inside.register(greeter('a'));
      inside.stop();
      assert.equal(await idsOf(await bench.started({ namespace: 'given' })), 'a');
    } finally {
      delete process.env['KUBERNETES_SERVICE_HOST'];
      delete process.env['KUBERNETES_SERVICE_PORT'];
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('reads the token again as Kubernetes writes new ones, and at once where one is refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-account-'));
    try {
      const clock = new VirtualClock();
      const account = new ServiceAccount(folder, undefined, clock);
      const write = (token: string): Promise<void> => writeFile(join(folder, 'token'), token);
      await write('one');
      assert.equal(await account.token(), 'one');
      await write('two');
      assert.equal(await account.token(), 'one');
      await clock.advance(10_000);
      assert.equal(await account.token(), 'two');
      await write('three');
      account.refused();
      assert.equal(await account.token(), 'three');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('a pod', () => {
  test('has its nodes for as long as it is Ready', async () => {
    const registry = await bench.inPod('ready-1');
    const other = await bench.started();
    const changes = other.watch({ service: 'greeter' })[Symbol.asyncIterator]();
    await other.getService('greeter');
    await registry.register(greeter('a'));
    assert.equal(await idsOf(other), 'a');
    const went = performance.now();
    await bench.server.status('default', 'ready-1', false);
    assert.deepEqual(await told(changes, 2), ['create a', 'delete a']);
    assert.ok(performance.now() - went < 1_000);
    assert.equal(await idsOf(other), '');
    assert.deepEqual(await other.listServices(), []);
    await bench.server.status('default', 'ready-1', true);
    assert.deepEqual(await told(changes, 1), ['create a']);
    await bench.server.status('default', 'ready-1', true, 'Failed');
    assert.deepEqual(await told(changes, 1), ['delete a']);
    await bench.server.status('default', 'ready-1', true);
    assert.deepEqual(await told(changes, 1), ['create a']);
    await bench.server.must('DELETE', '/api/v1/namespaces/default/pods/ready-1?gracePeriodSeconds=0');
    assert.deepEqual(await told(changes, 1), ['delete a']);
    assert.equal((await failure(() => registry.register(greeter('a')))).code, 'not_found');
  });

  test('on its way out has none', async () => {
    const registry = await bench.inPod('leaving-1');
    await registry.register(greeter('a'));
    // There is no kubelet that would let it go.
    await bench.server.must('PATCH', '/api/v1/namespaces/default/pods/leaving-1', {
      body: { metadata: { finalizers: ['octavo.test/stay'] } },
    });
    await bench.server.must('DELETE', '/api/v1/namespaces/default/pods/leaving-1?gracePeriodSeconds=0');
    await until(await bench.started(), '');
    await bench.server.must('PATCH', '/api/v1/namespaces/default/pods/leaving-1', {
      body: { metadata: { finalizers: null } },
    });
  });

  test('may say whatever it likes: what is no record is passed over', async () => {
    const registry = await bench.inPod('hostile-1');
    await registry.register(greeter('a'));
    for (const [n, text] of [
      '',
      '{',
      'null',
      '[]',
      '{"name":1}',
      '{"more":7}',
      JSON.stringify(greeter('x')),
    ].entries()) {
      await bench.server.pod('default', `hostile-1-${n}`);
      const labels = { 'micro.mu/type': 'service', 'micro.mu/selector-greeter': 'service' };
      // The last one is a record of another service than the one it is under.
      const key = text.includes('greeter') ? 'micro.mu/service-other' : 'micro.mu/service-greeter';
      await bench.server.must('PATCH', `/api/v1/namespaces/default/pods/hostile-1-${n}`, {
        body: { metadata: { labels, annotations: { [key]: text } } },
      });
    }
    assert.equal(await idsOf(registry), 'a');
    assert.deepEqual(await registry.listServices(), ['greeter']);
    await registry.deregister(greeter('a'));
  });

  test('takes no name that a label cannot have, and no more than an annotation holds', async () => {
    const registry = await bench.inPod('limits-1');
    for (const name of ['x'.repeat(55), 'ends-with-'])
      assert.equal(
        (await failure(() => registry.register({ ...greeter('a'), name }))).code,
        'invalid_argument',
      );
    assert.deepEqual(await registry.getService('x'.repeat(100)), []);
    const metadata = { large: 'x'.repeat(300_000) };
    const error = await failure(() => registry.register({ ...greeter('a'), metadata }));
    assert.equal(error.code, 'invalid_argument');
    assert.match(error.message, /Too long/);
    await registry.register({ ...greeter('a'), name: 'x'.repeat(54) });
    assert.deepEqual(await registry.listServices(), ['x'.repeat(54)]);
    await registry.deregister({ ...greeter('a'), name: 'x'.repeat(54) });
  });

  test('is one of a thousand, listed within 100 ms', async () => {
    const { server } = bench;
    await server.namespace('many');
    for (let n = 0; n < 1_000; n += 20)
      await Promise.all(
        Array.from({ length: 20 }, async (_, k) => {
          const patch = podPatch('greeter', nodesOf(greeter(`node-${n + k}`)));
          await server.pod('many', `many-${n + k}`, { patch });
        }),
      );
    const registry = await bench.started({ namespace: 'many' });
    let found = 0;
    const times: number[] = [];
    // The server takes more than half of it, and has the machine with others.
    while (times.length < 30 && !times.some((ms) => ms < 100))
      times.push(
        await timed(async () => (found = (await registry.getService('greeter'))[0]?.nodes.length ?? 0)),
      );
    assert.equal(found, 1_000);
    assert.ok(Math.min(...times) < 100, `${times.join()} ms`);
  });
});

describe('a watch of the kubernetes registry', () => {
  it('of a version that is forgotten (410 Gone) is an error, so that there is a new list', async () => {
    const { server } = bench;
    await server.pod('default', 'old');
    await server.kill();
    await server.compact();
    await server.restart();
    const { address, ca, adminToken } = server;
    const account = new ServiceAccount('/nowhere', adminToken, parts().clock);
    const api = new KubernetesApi({ addresses: [address], tls: { ca }, account, timeoutMs: 5_000 }, parts());
    await api.start();
    const pods = { path: '/api/v1/namespaces/default/pods', selector: '' };
    const error = await failure(async () => {
      for await (const change of api.watch(pods, '2', new AbortController().signal)) assert.fail(change.type);
    });
    api.stop();
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, /too old resource version|compacted/);
  });

  it('is what a fresh list is, whatever happened to the API server', async () => {
    await KubeBench.with(async (own) => {
      const { server } = own;
      const pods = Array.from({ length: 6 }, (_, n) => `pod-${n}`);
      const born = async (): Promise<void> => {
        for (const pod of pods) await server.pod('default', pod);
      };
      await born();
      let made = 0;
      await churn({
        fresh: () => own.make({ pod: pods[made++] ?? 'none' }),
        server,
        freezeMs: 10_000,
        disasters: [
          'restart',
          async () => {
            await server.kill();
            await server.restart({ empty: true });
            await born();
          },
          'freeze',
          async () => {
            await server.kill();
            await server.compact();
            await server.restart();
          },
        ],
      });
    });
  });
});
