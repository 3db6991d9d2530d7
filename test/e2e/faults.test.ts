import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientOf, Handler, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { OctavoError } from '../../src/core/error.js';
import { MemoryRegistry, MemoryWorld, memory as memoryRegistry } from '../../src/registry/memory.js';
import { byVersion } from '../../src/selector/filter.js';
import { rpc } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';
import { Ask, Probe, ProbeClient, Told } from '../conformance/probe.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';

@Service({ name: 'probe', version: '2.0.0' })
class Newer {
  @Handler(Ask, Told)
  async fresh(): Promise<Told> {
    return Object.assign(new Told(), { text: 'fresh' });
  }
}

class NewerClient extends ClientOf(Newer) {}

function options(world = new MemoryWorld()): ServiceOptions {
  return {
    registry: memoryRegistry({ world }),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  };
}

async function withProbe(
  run: (service: ReturnType<typeof createService>, address: string) => Promise<void>,
  more: ServiceOptions = {},
): Promise<void> {
  const service = createService({ ...options(), services: [Probe], ...more });
  await service.start();
  try {
    await run(service, service.server.node?.address ?? '');
  } finally {
    await service.stop();
  }
}

async function post(
  address: string,
  path: string,
  body: string,
  type = 'application/json',
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`http://${address}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': type },
    body,
  });
  // Everything that this port answers to a post is JSON.
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe('a plain call over HTTP', () => {
  it('gets JSON for JSON', () =>
    withProbe(async (_, address) => {
      assert.deepEqual(await post(address, '/conformance.Probe/Echo', '{"text":"é","count":2}'), {
        status: 200,
        body: { text: 'é', count: 2 },
      });
      assert.equal((await post(address, '/probe.Probe/Echo', '{}')).status, 200);
    }));

  it('gets 400 with the violations for a request that breaks a rule', () =>
    withProbe(async (_, address) => {
      const { status, body } = await post(
        address,
        '/conformance.Probe/Echo',
        JSON.stringify({ text: 'x'.repeat(30) }),
      );
      assert.deepEqual([status, body['code']], [400, 'invalid_argument']);
      assert.match(JSON.stringify(body['details']), /"field":"text"/);
    }));

  const failing: readonly (readonly [string, string, string, string, number, string])[] = [
    ['JSON that is none', '/conformance.Probe/Echo', '{"text', 'application/json', 400, 'invalid_argument'],
    [
      'a field of another type',
      '/conformance.Probe/Echo',
      '{"count":"x"}',
      'application/json',
      400,
      'invalid_argument',
    ],
    [
      'a content type that nobody reads',
      '/conformance.Probe/Echo',
      '<a/>',
      'application/xml',
      400,
      'invalid_argument',
    ],
    [
      'an endpoint that is not there',
      '/conformance.Probe/Nothing',
      '{}',
      'application/json',
      501,
      'unimplemented',
    ],
    ['another service', '/other.Probe/Echo', '{}', 'application/json', 501, 'unimplemented'],
    [
      'an error of the handler',
      '/conformance.Probe/Fail',
      '{"text":"thing"}',
      'application/json',
      404,
      'not_found',
    ],
    ['what is no error', '/conformance.Probe/Fail', '{"text":"string"}', 'application/json', 500, 'internal'],
    [
      'a handler that never ends',
      '/conformance.Probe/Impatient',
      '{}',
      'application/json',
      504,
      'deadline_exceeded',
    ],
    ['a stream', '/conformance.Probe/Count', '{}', 'application/json', 400, 'invalid_argument'],
  ];
  for (const [what, path, body, type, status, code] of failing)
    it(`gets ${status} for ${what}`, () =>
      withProbe(async (_, address) => {
        const answer = await post(address, path, body, type);
        assert.deepEqual([answer.status, answer.body['code']], [status, code]);
        assert.doesNotMatch(JSON.stringify(answer.body), /secret|\.ts:|node_modules/);
      }));

  it('finds the probes on the same port', () =>
    withProbe(async (_, address) => {
      for (const path of ['/health', '/ready']) {
        const response = await fetch(`http://${address}${path}`);
        assert.deepEqual([response.status, await response.json()], [200, { status: 'ok' }]);
      }
    }));
});

describe('a fault', () => {
  it('of a caller that goes away is told to the handler', () =>
    withProbe(async (service, address) => {
      const raw = await Raw.open(address);
      raw.write(
        'POST /conformance.Probe/Wait HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
      );
      const { waiting, cancelled } = service.resolve(Probe);
      await waiting.next();
      raw.close();
      assert.equal(await cancelled.next(), 'cancelled');
    }));

  it('of a port in use names the port and the remedy, and leaves nothing open', () =>
    withProbe(async (_, address) => {
      const other = createService({ ...options(), services: [Newer], server: rpc({ address }) });
      await assert.rejects(
        other.start(),
        (reason) =>
          reason instanceof OctavoError &&
          reason.message.includes(address) &&
          /MICRO_SERVER_ADDRESS/.test(reason.message),
      );
      await other.stop();
    }));

  it('of a body over the limit is resource_exhausted, for a call by a client too', () =>
    withProbe(
      async (service) => {
        const large = 'x'.repeat(2_000);
        await assert.rejects(
          service.client.call({
            service: 'probe',
            endpoint: 'Probe.Echo',
            contentType: 'application/json',
            body: { text: large },
          }),
          (reason) => reason instanceof OctavoError && reason.code === 'resource_exhausted',
        );
        assert.equal((await service.resolve(ProbeClient).echo({ text: 'fine' })).text, 'fine');
      },
      { transport: http({ maxMessageBytes: 1_000 }) },
    ));

  it('of one endpoint that only one version has is told, and the others go on', async () => {
    const world = new MemoryWorld();
    const older = createService({ ...options(world), services: [Probe] });
    const newer = createService({ ...options(world), services: [Newer] });
    await older.start();
    await newer.start();
    const fresh = newer.resolve(NewerClient);
    const onlyNew = [byVersion('2.0.0')];
    assert.equal((await fresh.fresh({}, { filters: onlyNew })).text, 'fresh');
    await assert.rejects(
      fresh.fresh({}, { filters: [byVersion('1.0.0')] }),
      (reason) =>
        reason instanceof OctavoError &&
        reason.code === 'unimplemented' &&
        /Newer\.Fresh/.test(reason.message),
    );
    await assert.rejects(
      fresh.fresh({}, { filters: [byVersion('3.0.0')] }),
      (reason) =>
        reason instanceof OctavoError && reason.code === 'unavailable' && /filters/.test(reason.message),
    );
    await newer.stop();
    await older.stop();
  });

  it('of a node that died without a word sends the call to another', async () => {
    const world = new MemoryWorld();
    const first = createService({ ...options(world), services: [Probe] });
    await first.start();
    const dead = {
      id: 'probe-dead',
      address: '127.0.0.1:1',
      metadata: { protocol: 'mucp', transport: 'http' },
    };
    await new MemoryRegistry({ world }, parts()).register({
      name: 'probe',
      version: '1.0.0',
      metadata: {},
      endpoints: [],
      nodes: [dead],
    });
    const probe = first.resolve(ProbeClient);
    for (let n = 0; n < 20; n++) assert.equal((await probe.echo({ count: n })).count, n);
    await first.stop();
  });

  it('of a call with a wrong Micro-Service is told by who it is', () =>
    withProbe(async (service, address) => {
      await assert.rejects(
        service.client.call(
          { service: 'elsewhere', endpoint: 'Probe.Echo', contentType: 'application/json', body: {} },
          { address },
        ),
        (reason) =>
          reason instanceof OctavoError && reason.code === 'unimplemented' && reason.executed === false,
      );
    }));
});
