import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { http } from '../../src/broker/http.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { kubernetes, type KubernetesRegistry } from '../../src/registry/kubernetes.js';
import { rpc } from '../../src/server/rpc.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { GreeterClient } from '../../samples/greeter/contract.js';
import { GreeterServer } from '../../samples/greeter/greeter.js';
import { KubeServer } from '../support/kube-server.js';
import { failure } from '../support/nats-bench.js';
import { greeter, idsOf, KubeBench } from './support/kube-bench.js';

const FOLDER = 'samples/kubernetes';
/** What a server and a broker wait for at most, unless told otherwise. */
const DRAIN_MS = 10_000;
const NAMESPACE = '/namespaces/default';
/** Where each manifest goes. */
const MANIFESTS = {
  'service-account': `/api/v1${NAMESPACE}/serviceaccounts`,
  role: `/apis/rbac.authorization.k8s.io/v1${NAMESPACE}/roles`,
  'role-binding': `/apis/rbac.authorization.k8s.io/v1${NAMESPACE}/rolebindings`,
  deployment: `/apis/apps/v1${NAMESPACE}/deployments`,
  service: `/api/v1${NAMESPACE}/services`,
} as const;

let server: KubeServer;
let bench: KubeBench;
before(async () => {
  server = await KubeServer.start();
  bench = new KubeBench(server);
});
after(() => server.stop());

/** Has the API server take a manifest, or only look at it. */
async function apply(name: keyof typeof MANIFESTS, query = ''): Promise<unknown> {
  const body = readFileSync(join(FOLDER, `${name}.yaml`), 'utf8');
  return server.must('POST', `${MANIFESTS[name]}?fieldValidation=Strict${query}`, {
    body,
    type: 'application/yaml',
  });
}

/** A registry of a pod's own, with the token of the sample's account. */
async function ofSample(pod: string): Promise<KubernetesRegistry> {
  await server.pod('default', pod);
  const { token } = await server.tokenOf('default', 'greeter');
  return bench.make({ pod, token });
}

/** What a Deployment says, as far as it is looked at here. */
interface Deployment {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly serviceAccountName: string;
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly {
          readonly livenessProbe: { readonly httpGet: { readonly path: string } };
          readonly readinessProbe: { readonly httpGet: { readonly path: string } };
          readonly lifecycle: {
            readonly preStop: { readonly exec: { readonly command: readonly string[] } };
          };
        }[];
      };
    };
  };
}

describe('the manifests of samples/kubernetes', () => {
  for (const name of Object.keys(MANIFESTS) as (keyof typeof MANIFESTS)[])
    it(`${name}.yaml is accepted by the API server, every field of it`, async () => {
      await apply(name, '&dryRun=All');
    });

  it('give a stop the time that it takes, and probe what a server shows', async () => {
    const { spec } = ((await apply('deployment', '&dryRun=All')) as Deployment).spec.template; // as apps/v1 has it
    const [container] = spec.containers;
    assert.equal(spec.serviceAccountName, 'greeter');
    assert.equal(container?.livenessProbe.httpGet.path, '/health');
    assert.equal(container?.readinessProbe.httpGet.path, '/ready');
    const [sleep, seconds] = container?.lifecycle.preStop.exec.command ?? [];
    assert.equal(sleep, 'sleep');
    // Calls in flight, then subscriptions, each for drainMs, then a little to close.
    const least = Number(seconds) + (2 * DRAIN_MS) / 1_000 + 5;
    assert.ok(
      spec.terminationGracePeriodSeconds >= least,
      `${spec.terminationGracePeriodSeconds} < ${least}`,
    );
  });

  it('have an image that is made of what there is', () => {
    const text = readFileSync(join(FOLDER, 'Dockerfile'), 'utf8');
    for (const [, sources = ''] of text.matchAll(/^COPY (?!--from)(.+) \S+$/gm))
      for (const source of sources.split(' ')) assert.ok(existsSync(source), source);
    const [, command = ''] = /^CMD (\[.+\])$/m.exec(text) ?? [];
    const last = (JSON.parse(command) as string[]).at(-1) ?? '';
    assert.ok(existsSync(last), last);
  });
});

describe('the Role of samples/kubernetes', () => {
  before(async () => {
    for (const name of ['service-account', 'role', 'role-binding'] as const) await apply(name);
  });

  it('is enough for the registry', () =>
    bench.use(async () => {
      const registry = await ofSample('enough');
      await registry.start();
      const changes = registry.watch()[Symbol.asyncIterator]();
      await registry.register(greeter('a'));
      assert.equal((await changes.next()).value?.action, 'create');
      assert.equal(await idsOf(registry), 'a');
      assert.deepEqual(await registry.listServices(), ['greeter']);
      await registry.deregister(greeter('a'));
      assert.equal((await changes.next()).value?.action, 'delete');
    }));

  it('is no more than that: each verb of it is needed', async () => {
    const role = `${MANIFESTS.role}/octavo-registry`;
    const { rules } = (await server.must('GET', role)) as {
      rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
    }; // as rbac.authorization.k8s.io/v1 has it
    const [rule] = rules;
    assert.ok(rule !== undefined && rules.length === 1);
    assert.deepEqual([rule.apiGroups, rule.resources], [[''], ['pods']]);
    for (const verb of rule.verbs)
      await bench.use(async () => {
        const verbs = rule.verbs.filter((each) => each !== verb);
        await server.must('PATCH', role, { body: { rules: [{ ...rule, verbs }] } });
        const registry = await ofSample(`without-${verb}`);
        const works = async (): Promise<void> => {
          await registry.start();
          const changes = registry.watch()[Symbol.asyncIterator]();
          await registry.register(greeter('a'));
          const lost = (): boolean =>
            bench.logger.records.some(({ message }) => message.includes('cannot be followed'));
          while (!lost()) await Promise.race([changes.next(), registry.getService('greeter')]);
          throw new Error('permission_denied');
        };
        await assert.rejects(works, /permission_denied|cannot (?:list|watch|patch) resource "pods"/, verb);
      });
    await server.must('PATCH', role, { body: { rules } });
  });

  it('lets nobody do anything else', async () => {
    const { token } = await server.tokenOf('default', 'greeter');
    for (const [method, path] of [
      ['GET', `/api/v1${NAMESPACE}/secrets`],
      ['DELETE', `/api/v1${NAMESPACE}/pods/enough`],
      ['POST', `/api/v1${NAMESPACE}/pods`],
      ['GET', '/api/v1/namespaces/kube-system/pods'],
      ['GET', '/api/v1/pods'],
    ] as const) {
      const body = method === 'POST' ? { metadata: { name: 'x' } } : undefined;
      const { status } = await server.ask(method, path, { token, body });
      assert.equal(status, 403, `${method} ${path}`);
    }
  });

  it('is all that a greeter needs, to be called and to be told', async () => {
    await server.pod('default', 'greeter-1');
    const { token } = await server.tokenOf('default', 'greeter');
    const { address, ca } = server;
    const registry = (pod: string): ReturnType<typeof kubernetes> =>
      kubernetes({ addresses: [address], tls: { ca }, token, namespace: 'default', pod });
    const rest = { logger: () => new TestLogger(), env: {} };
    const serving = createService({
      services: [GreeterServer],
      registry: registry('greeter-1'),
      broker: http(),
      server: rpc({ address: '127.0.0.1:0' }),
      ...rest,
    });
    const calling = createService({
      name: 'caller',
      registry: registry('none'),
      broker: memoryBroker(),
      ...rest,
    });
    await serving.start();
    await calling.start();
    try {
      const { message } = await calling.resolve(GreeterClient).hello({ name: 'Ada' });
      assert.equal(message, 'Hello Ada');
    } finally {
      await calling.stop();
      await serving.stop();
    }
    const error = await failure(() => bench.make({ token: 'nobody' }).start());
    assert.equal(error.code, 'unauthenticated');
  });
});
