import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, it, test } from 'node:test';
import { connect } from 'node:tls';
import { HttpBroker, type HttpBrokerOptions } from '../../src/broker/http.js';
import { OctavoError } from '../../src/core/error.js';
import type { TlsOptions } from '../../src/core/tls.js';
import { MemoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { FAULTS, identity, newAuthority, SERVER_FAULTS, tlsServer } from '../conformance/tls/identities.js';
import { Authority } from '../support/certificates.js';
import { event, HttpBrokers } from '../support/http-brokers.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';
import { wrapped } from '../support/wrapped.js';

const authority = await Authority.make();
const stranger = await Authority.make('somebody else');
const { ca } = authority;
const server = await authority.issue('server');
const renewed = await authority.issue('renewed');
const elsewhere = await authority.issue('elsewhere', { san: 'DNS:elsewhere.example' });
const unknown = await stranger.issue('unknown');

for (const [how, tls] of Object.entries({
  TLS: { ca, ...server },
  'mutual TLS': { ca, ...server, clientAuth: 'require' },
} satisfies Record<string, TlsOptions>)) {
  const broker = (world: MemoryWorld): HttpBroker =>
    new HttpBroker({ tls }, { ...parts(), registry: new MemoryRegistry({ world }, parts()) });
  let world = new MemoryWorld();
  test.beforeEach(() => {
    world = new MemoryWorld();
  });
  describe(`HttpBroker over ${how}`, () => {
    conform(test, brokerSuite, () => broker(world));
  });
  describe(`a wrapped HttpBroker over ${how}`, () => {
    conform(test, brokerSuite, () => wrapped(broker(world)));
  });
}

describe('the http broker over TLS', () => {
  let brokers = new HttpBrokers();
  let opened: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of opened.reverse()) await close();
    opened = [];
    await brokers.close();
    brokers = new HttpBrokers();
  });

  /** A subscriber of `news` that keeps what comes. */
  async function subscriber(options: HttpBrokerOptions): Promise<{ address: string; got: string[] }> {
    const got: string[] = [];
    const broker = await brokers.broker(options);
    await broker.subscribe('news', ({ message }) => void got.push(Buffer.from(message.body).toString()));
    return { address: broker.address, got };
  }

  /** Why nothing could be posted, as the log says it. */
  function failure(): OctavoError {
    const found = brokers.logger.records.find(({ message }) => message === 'an event could not be posted');
    const error = found?.fields['error'];
    assert.ok(error instanceof OctavoError);
    return error;
  }

  it('says in the registry that a subscription is secure', async () => {
    await subscriber({ tls: server });
    const [record] = await brokers.registry.getService('micro.http.broker');
    assert.equal(record?.nodes[0]?.metadata['secure'], 'true');
  });

  it('posts to a name that the certificate has, or to what it is told', async () => {
    const { got } = await subscriber({ tls: elsewhere });
    await (
      await brokers.broker({ tls: { ca, serverName: 'elsewhere.example' } })
    ).publish('news', event('one'));
    assert.deepEqual(got, ['one']);
    assert.deepEqual(brokers.logger.records, []);
  });

  it('posts over connections that are used again', async () => {
    const { got } = await subscriber({ tls: server, maxConnections: 1 });
    const broker = await brokers.broker({ tls: { ca } });
    for (const body of ['one', 'two', 'three']) await broker.publish('news', event(body));
    assert.deepEqual(got, ['one', 'two', 'three']);
  });

  const wrong: readonly (readonly [string, TlsOptions | undefined, TlsOptions | undefined, RegExp])[] = [
    [
      'that takes TLS only in plain text',
      server,
      undefined,
      /takes TLS only, as its node says: give the http broker the option tls here/,
    ],
    [
      'that takes plain text only over TLS',
      undefined,
      { ca },
      /takes plain text only, as its node says: give the http broker the option tls there, or leave it out here/,
    ],
    ['whose authority it does not know', unknown, { ca }, /is signed by nobody in tls\.ca/],
    ['that is for another host', elsewhere, { ca }, /is for somebody else: .*set tls\.serverName/],
    [
      'that wants a certificate, and has none',
      { ca, ...server, clientAuth: 'require' },
      { ca },
      /status 401: it asks for a certificate that it knows: set tls\.cert and tls\.key/,
    ],
    [
      'that wants another certificate',
      { ca, ...server, clientAuth: 'require' },
      { ca, ...unknown },
      /status 401/,
    ],
  ];
  for (const [what, theirs, ours, message] of wrong)
    it(`does not post to a subscriber ${what}`, async () => {
      const { got } = await subscriber(theirs === undefined ? {} : { tls: theirs });
      await (await brokers.broker(ours === undefined ? {} : { tls: ours })).publish('news', event('one'));
      const { message: said, executed } = failure();
      assert.match(said, message);
      assert.equal(executed, false);
      assert.deepEqual(got, []);
    });

  for (const { what, identity: made, says } of SERVER_FAULTS)
    it(`does not post to a subscriber whose certificate ${what}, and says why`, async () => {
      const trusted = newAuthority();
      const subscriber = await tlsServer(made(trusted));
      opened.push(() => subscriber.close());
      const metadata = { broker: 'http', secure: 'true', topic: 'news' };
      await brokers.registry.register({
        name: 'micro.http.broker',
        version: 'ff.http.broadcast',
        metadata: {},
        endpoints: [],
        nodes: [{ id: 'news-x', address: subscriber.address, metadata }],
      });
      await (await brokers.broker({ tls: { ca: trusted.cert } })).publish('news', event('one'));
      const { message, executed } = failure();
      assert.match(message, says);
      assert.equal(executed, false);
    });

  for (const { what, identity: made, says } of FAULTS)
    it(`takes nothing of a publisher whose certificate ${what}, and says why`, async () => {
      const trusted = newAuthority();
      const own = identity(trusted, 'subscriber');
      const { address, got } = await subscriber({ tls: { ca: trusted.cert, ...own, clientAuth: 'require' } });
      const [host, port] = address.split(':');
      const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ...made(trusted) });
      opened.push(() => socket.destroy());
      socket.on('error', () => {});
      socket.on('secureConnect', () =>
        socket.write('POST /?id=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}'),
      );
      let told = '';
      socket.on('data', (bytes: Buffer) => (told += bytes.toString('latin1')));
      await new Promise((resolve) => socket.once('close', resolve));
      assert.match(told, /^HTTP\/1\.1 401 /);
      assert.match(brokers.logger.records.map(({ fields }) => String(fields['error'])).join('\n'), says);
      assert.deepEqual(got, []);
    });

  it('does not call a post unsent that broke off on a connection which was used before', async () => {
    const trusted = newAuthority();
    const held: (() => void)[] = [];
    let asked = 0;
    // As many are held as there are connections, so that the last one waits for one of them.
    const server = createServer(identity(trusted, 'subscriber'), (request, response) => {
      if (++asked > 32) return void request.socket.destroy();
      held.push(() => void response.end());
      if (asked === 32) for (const answer of held) answer();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    opened.push(() => server.close());
    // What listens on TCP has an address with a port.
    const { port } = server.address() as AddressInfo;
    await brokers.registry.register({
      name: 'micro.http.broker',
      version: 'ff.http.broadcast',
      metadata: {},
      endpoints: [],
      nodes: [
        {
          id: 'news-x',
          address: `127.0.0.1:${port}`,
          metadata: { broker: 'http', secure: 'true', topic: 'news' },
        },
      ],
    });
    const publisher = await brokers.broker({ tls: { ca: trusted.cert } });
    await Promise.all(Array.from({ length: 33 }, () => publisher.publish('news', event('one'))));
    assert.equal(asked, 33);
    assert.equal(failure().executed, undefined);
  });

  it('gives an event that one of a queue cannot have to another', async () => {
    const got: string[] = [];
    for (const [name, tls] of [
      ['bad', unknown],
      ['good', server],
    ] as const) {
      const broker = await brokers.broker({ tls });
      await broker.subscribe('news', () => void got.push(name), { queue: 'all' });
    }
    const publisher = await brokers.broker({ tls: { ca } });
    for (let n = 0; n < 10; n++) await publisher.publish('news', event('one'));
    assert.deepEqual(
      got,
      Array.from({ length: 10 }, () => 'good'),
    );
  });

  it('logs who speaks to it without TLS, or without a certificate, once a minute', async () => {
    const { address } = await subscriber({ tls: { ca, ...server, clientAuth: 'require' } });
    for (let n = 0; n < 2; n++) {
      const raw = await Raw.open(address);
      raw.write('POST / HTTP/1.1\r\nHost: x\r\n\r\n');
      await raw.end();
      await (await brokers.broker({ tls: { ca } })).publish('news', event('one'));
    }
    const refused = brokers.logger.records.filter(({ message }) => message === 'refused a connection');
    assert.deepEqual(
      refused.map(({ fields }) => (fields['error'] as Error).message.split(':')[0]),
      ['the caller does not speak TLS', 'a certificate of the caller is asked for (tls.clientAuth)'],
    );
  });

  it('stops at once, whatever hands are being shaken', async () => {
    const { address } = await subscriber({ tls: server });
    const raw = await Raw.open(address);
    raw.write('\x16\x03\x01');
    const ended = raw.end();
    await brokers.close();
    assert.equal(await ended, '');
  });

  it('can be stopped while it starts, and started again', async () => {
    const broker = new HttpBroker({ tls: { ca, ...server } }, { ...parts(), registry: brokers.registry });
    const starting = broker.start();
    await broker.stop();
    await starting;
    await assert.rejects(broker.publish('news', event('x')), /is not started/);
    await broker.start();
    await broker.publish('news', event('x'));
    await broker.stop();
  });

  it('fails its start for a certificate that cannot be used, and its subscription for want of one', async () => {
    const lost = new HttpBroker({ tls: { ca: '/no/such.pem' } }, { ...parts(), registry: brokers.registry });
    await assert.rejects(async () => lost.start(), /tls\.ca of the http broker \(\/no\/such\.pem\)/);
    const publisher = await brokers.broker({ tls: { ca } });
    await assert.rejects(
      publisher.subscribe('news', () => {}),
      /tls of the http broker: whoever listens needs a certificate/,
    );
    assert.deepEqual(await brokers.registered(), []);
  });

  it('shows a certificate that was replaced to those who come a minute later', async () => {
    const pair = { cert: join(authority.folder, 'now.pem'), key: join(authority.folder, 'now.key') };
    await Promise.all([copyFile(server.cert, pair.cert), copyFile(server.key, pair.key)]);
    const clock = new VirtualClock();
    brokers = new HttpBrokers(clock);
    const { address } = await subscriber({ tls: pair });
    const subject = async (): Promise<string> => {
      const socket = connect({
        host: '127.0.0.1',
        port: Number(address.split(':')[1]),
        ca: readFileSync(ca),
      });
      opened.push(() => socket.destroy());
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      return socket.getPeerX509Certificate()?.subject ?? '';
    };
    assert.equal(await subject(), 'CN=server');
    await Promise.all([copyFile(renewed.cert, pair.cert), copyFile(renewed.key, pair.key)]);
    assert.equal(await subject(), 'CN=server');
    await clock.advance(60_000);
    // The first one to come sets it off.
    let now = await subject();
    for (let n = 0; n < 50 && now !== 'CN=renewed'; n++) now = await subject();
    assert.equal(now, 'CN=renewed');
  });

  it('shows neither key nor passphrase in its options', async () => {
    const broker = await brokers.broker({ tls: { ...server, key: readFileSync(server.key) } });
    assert.deepEqual(broker.options.tls, { ...server, key: '(secret)' });
  });
});
