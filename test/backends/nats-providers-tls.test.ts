import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NatsBroker } from '../../src/broker/nats.js';
import { NatsJetStreamBroker } from '../../src/broker/nats-jetstream.js';
import type { Lifecycle } from '../../src/core/lifecycle.js';
import { NatsConnections, type NatsTls } from '../../src/core/nats-connection.js';
import { NatsRegistry } from '../../src/registry/nats.js';
import { Authority, type Pair } from '../support/certificates.js';
import { failure } from '../support/nats-bench.js';
import { event, Inbox } from '../support/nats-brokers.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { reloads } from './support/tls-reload.js';

const authority = await Authority.make();
const { ca } = authority;
const issued = await authority.issue('server', { san: 'IP:127.0.0.1' });
const client = await authority.issue('client');

const over = ({ cert, key }: Pair): string[] => ['--tls', '--tlscert', cert, '--tlskey', key];

interface Options {
  readonly addresses: readonly string[];
  readonly tls?: NatsTls;
  readonly connectTimeoutMs?: number;
}

const PROVIDERS: readonly {
  readonly who: string;
  readonly make: (options: Options, connections: NatsConnections) => Required<Lifecycle>;
}[] = [
  {
    who: 'the nats registry',
    make: (options, connections) => new NatsRegistry(options, { ...parts(), connections }),
  },
  {
    who: 'the nats broker',
    make: (options, connections) => new NatsBroker(options, { ...parts(), connections }),
  },
  {
    who: 'the nats-jetstream broker',
    make: (options, connections) => new NatsJetStreamBroker(options, { ...parts(), connections }),
  },
];

async function withServer(
  args: readonly string[],
  run: (server: NatsServer) => Promise<void>,
): Promise<void> {
  const server = await NatsServer.start({ args, jetStream: true });
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

for (const { who, make } of PROVIDERS)
  describe(`${who} over TLS`, () => {
    it('trusts the server by an authority, and nobody else', () =>
      withServer(over(issued), async ({ address }) => {
        const fails = { addresses: [address], connectTimeoutMs: 300 };
        const error = await failure(async () => make(fails, new NatsConnections()).start());
        assert.equal(error.code, 'unavailable');
        assert.match(error.message, /is signed by nobody in tls\.ca: put its authority there/);
        const provider = make({ addresses: [address], tls: { ca } }, new NatsConnections());
        await provider.start();
        await provider.stop();
      }));

    it('shows its own certificate to a server that asks for it', () =>
      withServer([...over(issued), '--tlscacert', ca, '--tlsverify'], async ({ address }) => {
        const fails = { addresses: [address], tls: { ca }, connectTimeoutMs: 300 };
        const error = await failure(async () => make(fails, new NatsConnections()).start());
        assert.equal(error.code, 'unavailable');
        const tls = { ca, cert: client.cert, key: client.key };
        const provider = make({ addresses: [address], tls }, new NatsConnections());
        await provider.start();
        await provider.stop();
      }));

    it('names a file that it cannot read', () =>
      withServer([], async ({ address }) => {
        const provider = make(
          { addresses: [address], tls: { ca: '/nowhere/ca.pem' } },
          new NatsConnections(),
        );
        const error = await failure(async () => provider.start());
        assert.equal(error.code, 'failed_precondition');
        assert.match(error.message, new RegExp(`tls\\.ca of ${who} .*the file cannot be read`));
      }));
  });

describe('the nats broker and its certificates', () => {
  reloads({
    start: (pair) => NatsServer.start({ args: over(pair) }),
    make: (address, tls) =>
      new NatsBroker({ addresses: [address], tls }, { ...parts(), connections: new NatsConnections() }),
    works: (broker) => broker.publish('topic', event('x')),
  });
});

describe('what stands on one NATS server over TLS', () => {
  it('shares a connection with the same certificates, also when the server was killed', () =>
    withServer(over(issued), async (server) => {
      const connections = new NatsConnections();
      const options = { addresses: [server.address], tls: { ca } };
      const [broker, stream] = [
        new NatsBroker(options, { ...parts(), connections }),
        new NatsJetStreamBroker(options, { ...parts(), connections }),
      ];
      for (const each of [broker, stream]) await each.start();
      assert.equal(connections.size, 1);
      const inbox = new Inbox();
      await broker.subscribe('topic', inbox.handler);
      await server.kill();
      await server.restart();
      for (;;)
        try {
          await broker.publish('topic', event('back'));
          break;
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      await inbox.holds((texts) => texts.includes('back'));
      await broker.stop();
      assert.equal(connections.size, 1);
      await stream.stop();
      assert.equal(connections.size, 0);
    }));
});
