import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { Broker } from '../../src/broker/broker.js';
import { NsqBroker, type NsqBrokerOptions } from '../../src/broker/nsq.js';
import { Authority, type Pair } from '../support/certificates.js';
import { NsqServer } from '../support/nsq-server.js';
import { parts } from '../support/parts.js';
import { reloads } from './support/tls-reload.js';
import { BrokerBench, event, failure, Got, timed } from './support/broker-bench.js';

const SECRET = 'hunter2';
const authority = await Authority.make();
const { ca } = authority;
const own = await authority.issue('server');
const elsewhere = await authority.issue('elsewhere', { san: 'DNS:nsq.example' });
const client = await authority.issue('client');

/** It would listen for HTTPS on every interface, at a port that it has by default. */
const over = ({ cert, key }: Pair): string[] => [
  `-tls-cert=${cert}`,
  `-tls-key=${key}`,
  '-tls-required=true',
  '-https-address=127.0.0.1:0',
];

async function withServer(
  args: readonly string[],
  run: (bench: BrokerBench<NsqBrokerOptions>) => Promise<void>,
): Promise<void> {
  const server = await NsqServer.start({ args });
  try {
    await BrokerBench.with(
      (options, parts) =>
        new NsqBroker({ addresses: [server.address], connectTimeoutMs: 1_000, ...options }, parts),
      run,
    );
  } finally {
    await server.stop();
  }
}

async function works(broker: Broker): Promise<void> {
  const got = new Got();
  const subscriber = await broker.subscribe('t', got.handler);
  await broker.publish('t', event('x'));
  await got.has('x');
  await subscriber.unsubscribe();
}

describe('the nsq broker over TLS', () => {
  it('publishes and subscribes, and refuses a server that nobody it knows has signed', () =>
    withServer(over(own), async (bench) => {
      await works(await bench.started({ tls: { ca } }));
      await works(await bench.started({ tls: { verify: false } }));
      const { code, message } = await failure(() => bench.make({ tls: {} }).start());
      assert.equal(code, 'unavailable');
      assert.match(message, /is signed by nobody in tls\.ca: put its authority there/);
    }));

  it('refuses a server of another name than it looks for', () =>
    withServer(over(elsewhere), async (bench) => {
      const { message } = await failure(() => bench.make({ tls: { ca } }).start());
      assert.match(message, /is for somebody else: .*127\.0\.0\.1 is not in the cert's list/);
      await works(await bench.started({ tls: { ca, serverName: 'nsq.example' } }));
    }));

  it('shows its own certificate to a server that asks for it', () =>
    withServer(
      [...over(own), '-tls-client-auth-policy=require-verify', `-tls-root-ca-file=${ca}`],
      async (bench) => {
        assert.equal((await failure(() => bench.make({ tls: { ca } }).start())).code, 'unavailable');
        await works(await bench.started({ tls: { ca, cert: client.cert, key: client.key } }));
      },
    ));

  it('never goes on in plain text where a server offers no TLS', () =>
    withServer([], async (bench) => {
      const { code, message } = await failure(() => bench.make({ tls: { ca }, secret: SECRET }).start());
      assert.equal(code, 'unavailable');
      assert.match(message, /it does not speak TLS: set tls there/);
    }));

  it('names a file that it cannot read', () =>
    withServer([], async (bench) => {
      const { code, message } = await failure(() => bench.make({ tls: { ca: '/nowhere/ca.pem' } }).start());
      assert.equal(code, 'failed_precondition');
      assert.match(message, /tls\.ca of the nsq broker \(\/nowhere\/ca\.pem\): the file cannot be read/);
    }));
});

describe('the nsq broker and its certificates', () => {
  reloads({
    start: (pair) => NsqServer.start({ args: over(pair) }),
    make: (address, tls) => new NsqBroker({ addresses: [address], tls }, parts()),
    works: (broker) => broker.publish('t', event('x')),
  });
});

describe('an nsqd with an auth server', () => {
  it('is satisfied with the right secret, refuses a wrong one at once, and neither is shown', async () => {
    const auth = createServer((request, response) => {
      const right = new URL(request.url ?? '', 'http://auth').searchParams.get('secret') === SECRET;
      const all = { permissions: ['subscribe', 'publish'], topic: '.*', channels: ['.*'] };
      response.writeHead(right ? 200 : 403, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(right ? { ttl: 60, identity: 'ada', authorizations: [all] } : {}));
    }).listen(0, '127.0.0.1');
    await once(auth, 'listening');
    try {
      // What listens on TCP has an address with a port.
      const { port } = auth.address() as AddressInfo;
      await withServer([`-auth-http-address=127.0.0.1:${port}`], async (bench) => {
        const broker = await bench.started({ secret: SECRET });
        await works(broker);
        const wrong = bench.make({ secret: `${SECRET}-wrong` });
        let error: unknown;
        const ms = await timed(async () => (error = await failure(() => wrong.start())));
        assert.ok(ms < 900, `${ms} ms`);
        const { code, message } = await failure(() => wrong.start());
        assert.equal(code, 'unauthenticated');
        assert.match(message, /wrong secret/);
        for (const each of [error, broker.options, wrong.options, bench.logger.records])
          assert.ok(!inspect(each, { depth: 10 }).includes(SECRET), inspect(each, { depth: 10 }));
      });
    } finally {
      auth.close();
    }
  });
});
