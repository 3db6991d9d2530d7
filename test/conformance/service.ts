import assert from 'node:assert/strict';
import { OctavoError } from '../../src/core/error.js';
import { Registry } from '../../src/registry/registry.js';
import type { Service } from '../../src/service/service.js';
import type { Suite } from './conform.js';
import { Ask, Probe, ProbeClient, Things } from './probe.js';

async function nodesOf(service: Service): Promise<number> {
  return (await service.resolve(Registry).getService(service.name)).flatMap(({ nodes }) => nodes).length;
}

/** The promises of `Service`, of one that runs the probe. */
export const serviceSuite = {
  'has a name, a version and options': (service) => {
    assert.deepEqual([service.name, service.version], ['probe', '1.0.0']);
    assert.equal(typeof service.options, 'object');
  },
  'stopping twice, without a start, and starting again are fine': async (service, fresh) => {
    await (await fresh()).stop();
    await service.stop();
    await service.stop();
    await service.start();
    await service.start();
    assert.equal(await nodesOf(service), 1);
  },
  'started while it stops, it runs in the end': async (service) => {
    const stopped = service.stop();
    await service.start();
    await stopped;
    assert.equal((await service.resolve(ProbeClient).echo({ text: 'x' })).text, 'x');
  },
  'stopped while it starts, it does not run in the end': async (_, fresh) => {
    const service = await fresh();
    const started = service.start();
    await service.stop();
    await started;
    assert.throws(() => service.resolve(ProbeClient), OctavoError);
  },
  'two starts at once are one': async (_, fresh) => {
    const service = await fresh();
    await Promise.all([service.start(), service.start()]);
    assert.equal(await nodesOf(service), 1);
  },
  'before the start nothing can be asked of it, and it says so': async (_, fresh) => {
    const service = await fresh();
    for (const touch of [() => service.client, () => service.server, () => service.resolve(Registry)])
      assert.throws(touch, (reason) => reason instanceof OctavoError && /start/.test(reason.message));
  },
  'what it resolves is what its handlers get': async (service) => {
    assert.ok(service.resolve(Probe) instanceof Probe);
    assert.equal(service.resolve(ProbeClient), service.resolve(ProbeClient));
    assert.equal((await service.resolve(ProbeClient).echo({ text: 'x' })).text, 'x');
    assert.ok(service.client.name !== '' && service.server.name !== '');
  },
  'a subscription made while it runs gets events, by topic or by name': async (service) => {
    const texts: string[] = [];
    let wake: () => void = () => {};
    const handler = ({ text }: Ask): void => {
      texts.push(text);
      wake();
    };
    await service.subscribe(Things, handler);
    const other = await service.subscribe('more', Ask, handler);
    for (const topic of [Things.name, 'more']) {
      const came = new Promise<void>((resolve) => (wake = resolve));
      await service.client.publish({ topic, type: Ask, body: { text: topic } });
      await came;
    }
    await other.unsubscribe();
    assert.deepEqual(texts, [Things.name, 'more']);
  },
  'stopping waits for the call in flight, which ends well': async (service) => {
    const probe = service.resolve(Probe);
    const call = service.resolve(ProbeClient).wait({});
    const release = await probe.waiting.next();
    const stopped = service.stop();
    release();
    assert.equal((await call).text, 'released');
    await stopped;
  },
} satisfies Suite<Service>;
