import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { Child } from '../support/child.js';
import { failure, timed } from '../support/nats-bench.js';
import { ids, node, Registries, service, Told, until } from '../support/nats-registries.js';
import { RawNats } from '../support/raw-nats.js';

const SECRET = 'hunter2';

describe('the start of the nats registry', () => {
  it('says what it tried, and for how long, where there is no server', () =>
    Registries.with(async (registries) => {
      await registries.server.kill();
      const registry = registries.make({ connectTimeoutMs: 300 });
      const error = await failure(() => registry.start());
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /the nats registry found no NATS server at .* within \d+ ms/);
      await registries.server.restart();
      await registry.start();
      assert.deepEqual(await registry.getService('nobody'), []);
    }));

  it('fails at once for a wrong password, says that word, and shows no secret', () =>
    Registries.with(
      async (registries) => {
        const error = await failure(() => registries.make({ user: 'ada', pass: `${SECRET}-not` }).start());
        assert.equal(error.code, 'unauthenticated');
        const known = await registries.started({ user: 'ada', pass: SECRET });
        await known.register(service('greeter', node('a')));
        assert.ok(!inspect([error, known, registries.logger.records], { depth: 10 }).includes(SECRET));
      },
      { args: ['--user', 'ada', '--pass', SECRET] },
    ));

  it('lets a register say so where the server forbids to tell of it', () =>
    Registries.with(
      async (registries) => {
        const registry = await registries.started({ user: 'ada', pass: 'x' });
        const error = await failure(() => registry.register(service('greeter', node('a'))));
        assert.equal(error.code, 'permission_denied');
        assert.match(error.message, /micro\.registry\.nats\.watch/);
      },
      {
        config:
          'authorization { users: [ { user: ada, password: x, permissions: { publish: { deny: "micro.registry.nats.watch" } } } ] }',
      },
    ));
});

describe('the nats registry', { concurrency: true }, () => {
  it('divides what a server would not take in one message, and refuses a node that it would not take at all', () =>
    Registries.with(
      async (registries) => {
        const [owner, asker] = [await registries.started(), await registries.started()];
        const nodes = Array.from({ length: 200 }, (_, n) => node(`node-${n}`));
        await owner.register(service('greeter', ...nodes));
        assert.equal((await ids(asker, 'greeter')).length, 200);
        const big = { ...node('big'), metadata: { text: 'x'.repeat(9_000) } };
        const error = await failure(() => owner.register(service('greeter', big)));
        assert.equal(error.code, 'resource_exhausted');
        assert.equal((await ids(asker, 'greeter')).length, 200);
        await owner.deregister(service('greeter', ...nodes));
        assert.deepEqual(await ids(asker, 'greeter'), []);
      },
      { config: 'max_payload: 8192' },
    ));

  it('knows at once that nobody has nodes', () =>
    Registries.with(async (registries) => {
      const registry = await registries.started({ timeoutMs: 10_000 });
      const ms = await timed(async () => assert.deepEqual(await registry.getService('nobody'), []));
      assert.ok(ms < 1_000, `${ms} ms`);
    }));

  it('takes a node of a killed process for dead, by a list at once, by a watch within its TTL and 5 s', (t) =>
    Registries.with(async (registries) => {
      const registry = await registries.started();
      const told = new Told(registry.watch({ service: 'greeter' }));
      await registry.getService('greeter');
      const ttlMs = 2_000;
      const child = Child.start('backends/peers/nats-registry.js', [
        registries.server.address,
        'greeter',
        'mortal',
        String(ttlMs),
      ]);
      await child.next('registered');
      assert.deepEqual(await told.holds(1), ['create mortal']);
      assert.deepEqual(await ids(registry, 'greeter'), ['mortal']);
      const killed = performance.now();
      await child.end('SIGKILL');
      await until(async () => (await ids(registry, 'greeter')).length === 0);
      assert.ok(performance.now() - killed < 1_000);
      assert.deepEqual(await told.holds(2), ['create mortal', 'delete mortal']);
      const ms = performance.now() - killed;
      t.diagnostic(`gone from a watch ${Math.round(ms)} ms after the kill, with a TTL of ${ttlMs} ms`);
      assert.ok(ms < ttlMs + 5_000, `${ms} ms`);
    }));

  it('keeps a silent node in a watch that answers when it is asked', () =>
    Registries.with(async (registries) => {
      const registry = await registries.started();
      const told = new Told(registry.watch());
      await registry.getService('greeter');
      const raw = await RawNats.open(registries.server.address);
      raw.hear('micro.registry.nats.query');
      await raw.flush();
      const record = (id: string): string =>
        `{"name":"greeter","version":"1","nodes":[{"id":"${id}","address":"a","metadata":null,"ttlMs":300}]}`;
      for (const id of ['answers', 'silent'])
        raw.say('micro.registry.nats.watch', `{"Service":${record(id)},"Action":"create"}`);
      let asked = 0;
      void (async () => {
        for (;;) {
          const { reply = '' } = await raw.next();
          asked++;
          raw.say(reply, record('answers'));
        }
      })();
      assert.deepEqual(await told.holds(3), ['create answers', 'create silent', 'delete silent']);
      assert.ok(asked >= 5, `asked ${asked} times`);
      await raw.close();
    }));

  it('passes over what is no question, no answer and no change', () =>
    Registries.with(async (registries) => {
      const registry = await registries.started();
      await registry.register(service('greeter', node('a')));
      const told = new Told(registry.watch());
      await registry.getService('greeter');
      const raw = await RawNats.open(registries.server.address);
      const hostile = [
        '',
        'no JSON',
        'null',
        '[]',
        '{"Service":null,"Action":"get"}',
        '{"Service":{"name":5},"Action":"get"}',
        '{"Service":{"name":"greeter"},"Action":"create"}',
        '{"Service":{"name":"greeter","version":"1","nodes":[null,5,{"id":5}]},"Action":"create"}',
        '{"Service":{"name":"greeter","version":"1","nodes":[{"id":"x","address":"x"}]},"Action":"explode"}',
        '{"Service":{"name":"__proto__","version":"1","nodes":[{"id":"__proto__","address":"x","metadata":{"__proto__":"x"}}]},"Action":"delete"}',
        `{"Service":${'{"name":'.repeat(10_000)}`,
      ];
      for (const each of hostile)
        for (const topic of ['micro.registry.nats.query', 'micro.registry.nats.watch']) {
          raw.say(topic, each);
          raw.say(topic, each, 'somewhere');
        }
      await raw.flush();
      await registry.register(service('greeter', node('b')));
      assert.deepEqual(await told.holds(1), ['create b']);
      assert.deepEqual(await ids(registry, 'greeter'), ['a', 'b']);
      await raw.close();
    }));

  it('answers questions that never end without keeping what it cannot send', () =>
    Registries.with(async (registries) => {
      const registry = await registries.started();
      const big = { ...node('big'), metadata: { text: 'x'.repeat(100_000) } };
      await registry.register(service('greeter', big));
      const raw = await RawNats.open(registries.server.address);
      await registries.server.pause();
      const before = process.memoryUsage().rss;
      for (let n = 0; n < 5_000; n++)
        raw.say('micro.registry.nats.query', '{"Service":null,"Action":"list"}', 'nowhere');
      registries.server.resume();
      await raw.flush();
      await until(async () => (await ids(registry, 'greeter')).length === 1);
      const grown = (process.memoryUsage().rss - before) / 1024 / 1024;
      assert.ok(grown < 200, `${grown} MB`);
      await raw.close();
    }));
});
