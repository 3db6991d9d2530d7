import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { OctavoError, type Code } from '../../src/core/error.js';
import { event, HttpBrokers } from '../support/http-brokers.js';

/** Well above what anything here takes, and below what Node's own limits would cut off at. */
const SOON = { timeout: 10_000 };

function fails(run: Promise<unknown>, code: Code, text: RegExp): Promise<void> {
  return assert.rejects(
    run,
    (error) => error instanceof OctavoError && error.code === code && text.test(error.message),
  );
}

/** Writes this again and again, as fast as it is taken. */
function pour(socket: Socket, text: string): void {
  const bytes = Buffer.from(text.repeat(Math.ceil(1_024 / text.length)));
  const write = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on('drain', write);
  write();
}

describe('a publisher over http', () => {
  let brokers = new HttpBrokers();
  beforeEach(() => {
    brokers = new HttpBrokers();
  });
  afterEach(() => brokers.close());

  it('gives up a subscriber that trickles its answer, once the whole post is late', SOON, async () => {
    const closed = new Promise((resolve) => {
      void brokers.subscriber('events', (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
        const trickle = setInterval(() => socket.write('x'), 5);
        socket.once('close', () => {
          clearInterval(trickle);
          resolve(true);
        });
      });
    });
    while ((await brokers.registered()).length === 0) await new Promise(setImmediate);
    const publisher = await brokers.broker({ timeoutMs: 100 });
    await publisher.publish('events', event('x'));
    assert.deepEqual(brokers.codes, ['deadline_exceeded']);
    await closed;
  });

  const hostile: readonly (readonly [string, Code, (socket: Socket) => void])[] = [
    [
      'an answer without end',
      'resource_exhausted',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        pour(socket, `400\r\n${'x'.repeat(1_024)}\r\n`);
      },
    ],
    [
      'preliminary responses without end',
      'resource_exhausted',
      (socket) => pour(socket, 'HTTP/1.1 100 Continue\r\n\r\n'),
    ],
    ['a status line without end', 'unavailable', (socket) => pour(socket, 'HTTP/1.1 200 OKOKOK')],
    [
      'a header without end',
      'unavailable',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        pour(socket, 'a: b\r\n');
      },
    ],
    ['another protocol', 'unavailable', (socket) => socket.end('220 smtp ready\r\n')],
    [
      'a change of protocol',
      'unavailable',
      (socket) =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'),
    ],
    [
      'a status that there is not',
      'unavailable',
      (socket) => socket.end('HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n'),
    ],
    [
      'half an answer',
      'unavailable',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
    ],
    ['no answer', 'unavailable', (socket) => socket.end()],
  ];
  for (const [what, code, take] of hostile)
    it(`is done with a subscriber that gives ${what}, and reaches the others`, SOON, async () => {
      const closed = new Promise((resolve) => {
        void brokers.subscriber('events', (socket) => {
          socket.once('close', resolve);
          socket.once('data', () => take(socket));
        });
      });
      while ((await brokers.registered()).length === 0) await new Promise(setImmediate);
      const got: string[] = [];
      const other = await brokers.broker();
      await other.subscribe('events', ({ message: { body } }) => void got.push(Buffer.from(body).toString()));
      const publisher = await brokers.broker();
      await publisher.publish('events', event('x'));
      assert.deepEqual(got, ['x']);
      assert.deepEqual(brokers.codes, [code]);
      await closed;
    });

  it('that is aborted is cancelled, at once, and lets go of the connection', SOON, async () => {
    const abort = new AbortController();
    const closed = new Promise((resolve) => {
      void brokers.subscriber('events', (socket) => {
        socket.once('close', resolve);
        socket.once('data', () => abort.abort());
      });
    });
    while ((await brokers.registered()).length === 0) await new Promise(setImmediate);
    const publisher = await brokers.broker();
    await fails(
      publisher.publish('events', event('x'), { signal: abort.signal }),
      'cancelled',
      /"events" was aborted/,
    );
    await closed;
    assert.deepEqual(brokers.codes, []);
  });

  it('listens once to its signal, however many subscribers there are, and then no more', SOON, async () => {
    const { signal } = new AbortController();
    const listeners: number[] = [];
    const broker = await brokers.broker();
    for (let n = 0; n < 20; n++)
      await broker.subscribe('events', () => void listeners.push(getEventListeners(signal, 'abort').length));
    const publisher = await brokers.broker();
    await publisher.publish('events', event('x'), { signal });
    assert.deepEqual(listeners, Array(20).fill(1));
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('has so many publishes under way, and no more', SOON, async () => {
    let begun = (): void => {};
    const posted = new Promise<void>((resolve) => (begun = resolve));
    await brokers.subscriber('events', (socket) => socket.once('data', () => begun()));
    const publisher = await brokers.broker({ maxPublishes: 1 });
    const abort = new AbortController();
    const first = publisher.publish('events', event('x'), { signal: abort.signal });
    await posted;
    await fails(publisher.publish('events', event('y')), 'resource_exhausted', /maxPublishes/);
    abort.abort();
    await fails(first, 'cancelled', /aborted/);
    await publisher.publish('nobody', event('z'));
  });

  it('is told when an event is more than a subscriber takes', async () => {
    const publisher = await brokers.broker({ maxBodyBytes: 1_000, maxHeaders: 2, maxHeaderBytes: 100 });
    const publish = (body: string, names: Record<string, string>): Promise<void> => {
      const message = event(body);
      for (const [name, value] of Object.entries(names)) message.header.set(name, value);
      return publisher.publish('events', message);
    };
    await fails(publish('x'.repeat(1_000), {}), 'resource_exhausted', /maxBodyBytes/);
    await fails(publish('x'.repeat(740), {}), 'resource_exhausted', /maxBodyBytes/);
    await fails(publish('x', { a: '', b: '' }), 'resource_exhausted', /maxHeaders/);
    await fails(publish('x', { a: 'x'.repeat(100) }), 'resource_exhausted', /maxHeaderBytes/);
    await publish('x', { a: '' });
  });

  it('is not held up by an address that is none', async () => {
    await brokers.registry.register({
      name: 'micro.http.broker',
      version: 'ff.http.broadcast',
      metadata: {},
      endpoints: [],
      nodes: [{ id: 'events-x', address: 'nowhere', metadata: { broker: 'http', topic: 'events' } }],
    });
    const publisher = await brokers.broker();
    await publisher.publish('events', event('x'));
    assert.deepEqual(brokers.codes, ['unavailable']);
  });

  it('gives an event of a queue to another member when one is full or has left', SOON, async () => {
    const got: string[] = [];
    const full = await brokers.broker({ maxEvents: 1 });
    let release = (): void => {};
    let begun = (): void => {};
    const begin = new Promise<void>((resolve) => (begun = resolve));
    await full.subscribe('busy', async () => {
      begun();
      await new Promise<void>((resolve) => (release = resolve));
    });
    await full.subscribe('work', () => void got.push('full'), { queue: 'q' });
    const free = await brokers.broker();
    await free.subscribe('work', ({ message: { body } }) => void got.push(Buffer.from(body).toString()), {
      queue: 'q',
    });
    await brokers.registry.register({
      name: 'micro.http.broker',
      version: 'q',
      metadata: {},
      endpoints: [],
      nodes: [{ id: 'work-left', address: free.address, metadata: { broker: 'http', topic: 'work' } }],
    });
    const publisher = await brokers.broker();
    const busy = publisher.publish('busy', event('x'));
    await begin;
    const sent = Array.from({ length: 20 }, (_, n) => String(n));
    for (const each of sent) await publisher.publish('work', event(each));
    assert.deepEqual(got, sent);
    assert.deepEqual(new Set(brokers.codes), new Set(['resource_exhausted', 'unavailable']));
    release();
    await busy;
  });
});
