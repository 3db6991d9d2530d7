import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HttpBroker, type HttpBrokerOptions } from '../../src/broker/http.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { MemoryRegistry } from '../../src/registry/memory.js';
import { bytesOf, capture, messagesIn } from '../support/capture.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';

interface Got {
  readonly header: Metadata;
  readonly body: string;
}

async function withBroker(
  run: (it: { broker: HttpBroker; registry: MemoryRegistry; got: Got[]; id: string }) => Promise<void>,
  options: HttpBrokerOptions = {},
): Promise<void> {
  const registry = new MemoryRegistry({}, parts());
  const broker = new HttpBroker(options, { ...parts(), registry });
  await broker.start();
  const got: Got[] = [];
  await broker.subscribe('events', ({ message: { header, body } }) => {
    got.push({ header, body: Buffer.from(body).toString() });
  });
  const [record] = await registry.getService('micro.http.broker');
  try {
    await run({ broker, registry, got, id: record?.nodes[0]?.id ?? '' });
  } finally {
    await broker.stop();
  }
}

async function post(address: string, path: string, body: string, method = 'POST'): Promise<number> {
  const response = await fetch(`http://${address}${path}`, { method, ...(method === 'POST' && { body }) });
  await response.text();
  return response.status;
}

describe('the http broker', () => {
  it('registers a subscription as go-micro does', () =>
    withBroker(async ({ broker, registry }) => {
      await broker.subscribe('events', () => {}, { queue: 'q1' });
      const found = await registry.getService('micro.http.broker');
      assert.deepEqual(found.map(({ version }) => version).sort(), ['ff.http.broadcast', 'q1']);
      for (const { nodes } of found) {
        assert.deepEqual(nodes[0]?.metadata, { secure: 'false', broker: 'http', topic: 'events' });
        assert.match(nodes[0]?.id ?? '', /^events-[0-9a-f]{12}$/);
        assert.equal(nodes[0]?.address, broker.address);
      }
      assert.match(broker.address, /^127\.0\.0\.1:\d+$/);
    }));

  it('takes what a recorded Go publisher posted', () =>
    withBroker(async ({ broker, got, id }) => {
      const recorded = bytesOf(capture('http-broker-publish-v4.11').replace(/\npub <nil>\n$/, '\n')).toString(
        'latin1',
      );
      const raw = await Raw.open(broker.address);
      raw.write(recorded.replace('id=events-abc', `id=${id}`));
      await raw.until((text) => text.startsWith('HTTP/1.1 200 '));
      raw.close();
      assert.equal(got[0]?.body, '{"name":"evt","n":7}\n');
      assert.equal(got[0].header.get('foo-bar'), 'baz');
      assert.equal(got[0].header.get('content-type'), 'application/json');
    }));

  it('posts in the form that go-micro does', async () => {
    const registry = new MemoryRegistry({}, parts());
    const { createServer } = await import('node:net');
    const posted = new Promise<Buffer>((resolve) => {
      const server = createServer((socket) => {
        let all = Buffer.alloc(0);
        socket.on('data', (bytes: Buffer) => {
          all = Buffer.concat([all, bytes]);
          if (messagesIn(all).length === 0) return;
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
          server.close();
          resolve(all);
        });
      });
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        assert.ok(typeof address === 'object' && address !== null);
        const node = {
          id: 'events-abc',
          address: `127.0.0.1:${address.port}`,
          metadata: { secure: 'false', broker: 'http', topic: 'events' },
        };
        void registry.register({
          name: 'micro.http.broker',
          version: 'ff.http.broadcast',
          metadata: {},
          endpoints: [],
          nodes: [node],
        });
      });
    });
    const broker = new HttpBroker({}, { ...parts(), registry });
    await broker.start();
    const header = new Metadata({ 'Content-Type': 'application/json', 'Foo-Bar': 'baz', 'Micro-ID': 'x' });
    while ((await registry.getService('micro.http.broker')).length === 0)
      await new Promise((resolve) => setImmediate(resolve));
    await broker.publish('events', { header, body: Buffer.from('{"n":7}\n') });
    const [message] = messagesIn(await posted);
    assert.equal(message?.start, 'POST /?id=events-abc HTTP/1.1');
    assert.deepEqual(JSON.parse(Buffer.from(message.body).toString()), {
      Header: {
        'Content-Type': 'application/json',
        'Foo-Bar': 'baz',
        'Micro-ID': 'x',
        'Micro-Topic': 'events',
      },
      Body: Buffer.from('{"n":7}\n').toString('base64'),
    });
    await broker.stop();
  });

  const refused: readonly (readonly [string, number, string])[] = [
    ['what is no JSON', 500, '{'],
    ['what is no object', 500, '1'],
    ['an event without a topic', 500, '{"Header":{},"Body":""}'],
    ['a body that is no base64', 500, '{"Header":{"Micro-Topic":"events"},"Body":"$"}'],
    ['nothing', 500, ''],
    ['more than its limit', 413, 'x'.repeat(2_000)],
    ['more names than its limit', 413, '{"Header":{"Micro-Topic":"events","a":"","b":""},"Body":""}'],
    ['a header over its limit', 413, `{"Header":{"Micro-Topic":"events","a":"${'x'.repeat(200)}"}}`],
  ];
  for (const [what, status, body] of refused)
    it(`refuses ${what} with ${status}`, () =>
      withBroker(
        async ({ broker, got, id }) => {
          assert.equal(await post(broker.address, `/?id=${id}`, body), status);
          assert.equal(got.length, 0);
        },
        { maxBodyBytes: 1_000, maxHeaders: 2, maxHeaderBytes: 100 },
      ));

  it('refuses other methods with 405', () =>
    withBroker(async ({ broker, id }) => {
      assert.equal(await post(broker.address, `/?id=${id}`, '', 'GET'), 405);
    }));

  it('answers 404 for a subscription that is not there, where go-micro says 200 and looks at neither', () =>
    withBroker(async ({ broker, got }) => {
      assert.equal(
        await post(broker.address, '/?id=gone', '{"Header":{"Micro-Topic":"events"},"Body":""}'),
        404,
      );
      assert.equal(got.length, 0);
    }));

  it('names an address in use', () =>
    withBroker(async ({ broker }) => {
      const other = new HttpBroker(
        { address: broker.address },
        { ...parts(), registry: new MemoryRegistry({}, parts()) },
      );
      await other.start();
      await assert.rejects(
        other.subscribe('events', () => {}),
        (error) =>
          error instanceof OctavoError &&
          error.code === 'unavailable' &&
          error.message.includes(broker.address),
      );
      await other.stop();
    }));

  it('gives an event of a queue to another node when one is gone', () =>
    withBroker(async ({ broker, registry }) => {
      const got: string[] = [];
      await broker.subscribe('work', ({ message: { body } }) => void got.push(Buffer.from(body).toString()), {
        queue: 'q',
      });
      const dead = {
        id: 'work-dead',
        address: '127.0.0.1:1',
        metadata: { secure: 'false', broker: 'http', topic: 'work' },
      };
      await registry.register({
        name: 'micro.http.broker',
        version: 'q',
        metadata: {},
        endpoints: [],
        nodes: [dead],
      });
      for (let n = 0; n < 10; n++)
        await broker.publish('work', { header: new Metadata(), body: Buffer.from(String(n)) });
      assert.deepEqual(
        got,
        Array.from({ length: 10 }, (_, n) => String(n)),
      );
    }));
});
