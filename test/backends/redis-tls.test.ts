import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { RedisBroker } from '../../src/broker/redis.js';
import { Authority, type Pair } from '../support/certificates.js';
import { event, failure, RedisBench, Seen } from '../support/redis-bench.js';
import { parts } from '../support/parts.js';
import { RedisServer, type RedisServerOptions } from '../support/redis-server.js';
import { reloads } from './support/tls-reload.js';

const authority = await Authority.make();
const { ca } = authority;
const server = await authority.issue('server', { san: 'IP:127.0.0.1' });
const client = await authority.issue('client');
const elsewhere = await authority.issue('elsewhere', { san: 'DNS:redis.example' });

function over(pair: Pair, clients = false): RedisServerOptions {
  return { tls: { ...pair, ca, clients } };
}

type Options = Parameters<RedisBench['both']>[0];

async function works(bench: RedisBench, options: Options): Promise<void> {
  for (const broker of bench.both(options)) {
    await broker.start();
    const seen = new Seen();
    const subscriber = await broker.subscribe('topic', seen.handler);
    await broker.publish('topic', event('x'));
    await seen.holds('x');
    await subscriber.unsubscribe();
  }
}

async function fails(bench: RedisBench, options: Options, text: RegExp): Promise<void> {
  for (const broker of bench.both({ connectTimeoutMs: 300, ...options })) {
    const error = await failure(() => broker.start());
    assert.match(error.message, text);
  }
}

describe('the redis broker and its certificates', () => {
  reloads({
    start: (pair) => RedisServer.start(over(pair)),
    make: (address, tls) => new RedisBroker({ addresses: [address], tls }, parts()),
    works: (broker) => broker.publish('topic', event('x')),
  });
});

describe('the redis brokers over TLS', () => {
  it('trust a server by an authority given as a path, text or bytes, and go on after a restart', () =>
    RedisBench.with(async (bench) => {
      for (const given of [ca, readFileSync(ca, 'utf8'), readFileSync(ca)])
        await works(bench, { tls: { ca: given } });
      await works(bench, { addresses: [`rediss://${bench.server.address}`], tls: { ca } });
      await bench.server.kill();
      await bench.server.restart();
      await works(bench, { tls: { ca } });
    }, over(server)));

  it('refuse a server that nobody they know has signed, unless they are told not to look', () =>
    RedisBench.with(async (bench) => {
      const text = /is signed by nobody in tls\.ca: put its authority there/;
      await fails(bench, { tls: {} }, text);
      await fails(bench, { addresses: [`rediss://${bench.server.address}`] }, text);
      await works(bench, { tls: { verify: false } });
    }, over(server)));

  it('refuse a server whose certificate is for another host', () =>
    RedisBench.with(async (bench) => {
      await fails(
        bench,
        { tls: { ca } },
        /is for somebody else: .*127\.0\.0\.1 is not in the cert's list.*set tls\.serverName/,
      );
      await works(bench, { tls: { ca, serverName: 'redis.example' } });
    }, over(elsewhere)));

  it('insist on it where it is asked for, and the server has none', () =>
    RedisBench.with((bench) =>
      fails(bench, { tls: { ca } }, /: does it speak TLS\? Set tls there, or leave it out here/),
    ));

  it('show their own certificate to a server that asks for it', () =>
    RedisBench.with(
      async (bench) => {
        await fails(bench, { tls: { ca } }, /wants a certificate of ours that it knows/);
        await fails(bench, {}, /hung up: does it speak TLS only\?/);
        await works(bench, {
          tls: { ca, cert: readFileSync(client.cert), key: readFileSync(client.key, 'utf8') },
        });
      },
      over(server, true),
    ));

  it('name a file that they cannot read', () =>
    RedisBench.with((bench) =>
      fails(
        bench,
        { tls: { ca: '/nowhere/ca.pem' } },
        /tls\.ca of the redis(-streams)? broker \(\/nowhere\/ca\.pem\): the file cannot be read/,
      ),
    ));
});
