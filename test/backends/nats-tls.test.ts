import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ANY, echo } from '../conformance/transport/talk.js';
import { Authority, type Pair } from '../support/certificates.js';
import { Bench, failure, works } from '../support/nats-bench.js';

const authority = await Authority.make();
const { ca } = authority;
const server = await authority.issue('server', { san: 'IP:127.0.0.1' });
const client = await authority.issue('client');
const elsewhere = await authority.issue('elsewhere', { san: 'DNS:localhost,DNS:nats.example' });

const over = ({ cert, key }: Pair): string[] => ['--tls', '--tlscert', cert, '--tlskey', key];

describe('the nats transport over TLS', () => {
  it('trusts a server by an authority given as a path, text or bytes', () =>
    Bench.with(
      async (bench) => {
        for (const given of [ca, readFileSync(ca, 'utf8'), readFileSync(ca)]) {
          const transport = await bench.started({ tls: { ca: given } });
          await works(transport, await transport.listen(ANY, echo));
        }
      },
      { args: over(server) },
    ));

  it('refuses a server that nobody it knows has signed, unless it is told not to look', () =>
    Bench.with(
      async (bench) => {
        const error = await failure(() => bench.make({ connectTimeoutMs: 300 }).start());
        assert.equal(error.code, 'unavailable');
        assert.match(error.message, /is signed by nobody in tls\.ca: put its authority there/);
        await bench.started({ tls: { verify: false } });
      },
      { args: over(server) },
    ));

  it('refuses a server whose certificate is for another host, also where that is this machine', () =>
    Bench.with(
      async (bench) => {
        const error = await failure(() => bench.make({ tls: { ca }, connectTimeoutMs: 300 }).start());
        assert.match(
          error.message,
          /is for somebody else: .*127\.0\.0\.1 is not in the cert's list.*set tls\.serverName/,
        );
        await bench.started({ tls: { ca, serverName: 'nats.example' } });
      },
      { args: over(elsewhere) },
    ));

  it('insists on it where it is asked for, and the server has none', () =>
    Bench.with(async (bench) => {
      for (const options of [{ tls: {} }, { addresses: [`tls://${bench.server.address}`] }]) {
        const error = await failure(() => bench.make({ ...options, connectTimeoutMs: 300 }).start());
        assert.match(error.message, /does not support 'tls'/);
      }
    }));

  it('shows its own certificate to a server that asks for it', () =>
    Bench.with(
      async (bench) => {
        const error = await failure(() => bench.make({ tls: { ca }, connectTimeoutMs: 300 }).start());
        assert.equal(error.code, 'unavailable');
        await bench.started({
          tls: { ca, cert: readFileSync(client.cert), key: readFileSync(client.key, 'utf8') },
        });
      },
      { args: [...over(server), '--tlscacert', ca, '--tlsverify'] },
    ));

  it('names a file that it cannot read', () =>
    Bench.with(async (bench) => {
      const error = await failure(() => bench.make({ tls: { ca: '/nowhere/ca.pem' } }).start());
      assert.equal(error.code, 'failed_precondition');
      assert.match(
        error.message,
        /tls\.ca of the nats transport \(\/nowhere\/ca\.pem\): the file cannot be read/,
      );
    }));
});
