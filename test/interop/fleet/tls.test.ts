import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Context, Service } from '../../../src/index.js';
import type { TlsOptions } from '../../../src/core/tls.js';
import { createService } from '../../../src/service/run.js';
import { http } from '../../../src/transport/http.js';
import { identity, newAuthority } from '../../conformance/tls/identities.js';
import { GoError, GoPeer, VERSIONS } from './go-peer.js';
import { GreeterClient, type Reply } from './greeter.js';
import { fleet, GreeterServer, serving, type Octavo } from './octavo.js';

const folder = mkdtempSync(join(tmpdir(), 'octavo-interop-tls-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const authority = newAuthority();

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Files of a certificate for this machine, which both sides may be given. */
function issued(name: string, san?: readonly string[]): { cert: string; key: string } {
  const { cert, key } = identity(authority, name, san === undefined ? {} : { san });
  return { cert: file(`${name}.pem`, cert), key: file(`${name}.key`, key) };
}

const ca = file('ca.pem', authority.cert);
const octavoOwn = issued('octavo');
const goOwn = issued('go', ['IP:127.0.0.1', 'URI:spiffe://example.org/go']);

/** Says by what name it knows its caller. */
@Service(GreeterServer)
class KnowingServer extends GreeterServer {
  override async empty(): Promise<Reply> {
    const text = Context.current()?.principal?.subject ?? 'nobody';
    return { text, bigNumber: 0n, mood: 0, node: '', metadata: new Map() };
  }
}

/** Who only calls, and needs no certificate for that. */
async function calling(tls: TlsOptions | undefined): Promise<Octavo> {
  const { server: _, ...parts } = fleet();
  const transport = http(tls === undefined ? {} : { tls });
  const service = createService({ name: 'caller', ...parts, transport });
  await service.start();
  return service;
}

type Secure = Readonly<Record<string, unknown>>;

/** A peer that speaks TLS this way: with nothing as `transport.Secure(true)` alone has it. */
async function peer(
  version: (typeof VERSIONS)[number],
  tls: Secure,
  env?: Record<string, string>,
): Promise<GoPeer> {
  const go = new GoPeer(version, env);
  await go.ask({ do: 'secure', tls });
  return go;
}

for (const version of VERSIONS) {
  describe(`a go-micro ${version} client calls Octavo over TLS`, () => {
    const called = async (
      tls: TlsOptions,
      go: Promise<GoPeer>,
      run: (
        call: (endpoint: string, request?: object) => Promise<string | undefined>,
        go: GoPeer,
      ) => Promise<void>,
    ): Promise<void> => {
      await using caller = await go;
      const service = await serving({ services: [KnowingServer], transport: http({ tls }) });
      try {
        const address = service.server.node?.address;
        await run(async (endpoint, request = { name: 'J' }) => {
          const command = { do: 'call', service: 'greeter', address, endpoint, request };
          return (await caller.ask<{ text?: string }>(command)).text;
        }, caller);
      } finally {
        await service.stop();
      }
    };

    it('with Secure(true), where the machine trusts the authority', () =>
      called(octavoOwn, peer(version, {}, { SSL_CERT_FILE: ca }), async (call) => {
        for (let n = 0; n < 3; n++) assert.equal(await call('Greeter.Hello'), 'Hello J');
      }));

    it('with Secure(true), and verifies: an authority that the machine does not know is refused', () =>
      called(octavoOwn, peer(version, {}), async (call) => {
        await assert.rejects(
          call('Greeter.Hello'),
          (error) =>
            error instanceof GoError && /certificate signed by unknown authority/.test(error.message),
        );
      }));

    it('with a TLSConfig, calls and streams, and is known by its certificate', () =>
      called(
        { ca, ...octavoOwn, clientAuth: 'require' },
        peer(version, { ca, ...goOwn }),
        async (call, go) => {
          assert.equal(await call('Greeter.Hello'), 'Hello J');
          assert.equal(await call('Greeter.Empty', {}), 'spiffe://example.org/go');
          const endpoint = 'Greeter.Chat';
          await go.ask({ do: 'open', service: 'greeter', endpoint });
          await go.ask({ do: 'send', endpoint, request: { name: 'a', count: 1 } });
          assert.equal((await go.ask<{ text?: string }>({ do: 'receive', endpoint })).text, 'a-0');
          await go.ask({ do: 'close', endpoint });
        },
      ));

    it('without a certificate of its own, and is told that one is required', () =>
      called({ ca, ...octavoOwn, clientAuth: 'require' }, peer(version, { ca }), async (call) => {
        await assert.rejects(
          call('Greeter.Hello'),
          (error) =>
            error instanceof GoError && /a certificate of the caller is asked for/.test(error.message),
        );
      }));

    it('in plain text, and is told that it takes TLS only', () =>
      called(octavoOwn, Promise.resolve(new GoPeer(version)), async (call) => {
        await assert.rejects(
          call('Greeter.Hello'),
          (error) => error instanceof GoError && /takes TLS only/.test(error.message),
        );
      }));
  });

  describe(`Octavo calls a go-micro ${version} server over TLS`, () => {
    const calls = async (
      theirs: Secure,
      run: (hello: (tls: TlsOptions | undefined) => Promise<Reply>, address: string) => Promise<void>,
    ): Promise<void> => {
      await using go = await peer(version, theirs);
      const command = { do: 'serve', service: 'greeter', version: '1', serverID: 'go' };
      const { address } = await go.ask<{ address: string }>(command);
      const callers: Octavo[] = [];
      try {
        await run(async (tls) => {
          const caller = await calling(tls);
          callers.push(caller);
          return caller.resolve(GreeterClient).hello({ name: 'J' }, { address, retries: 0 });
        }, address);
      } finally {
        for (const caller of callers) await caller.stop();
      }
    };
    const says = (pattern: RegExp) => (error: Error) => pattern.test(error.message);

    it('with Secure(true), whose certificate it makes itself: only where nothing is verified', () =>
      calls({}, async (hello) => {
        await assert.rejects(hello({ ca }), says(/is self-signed/));
        await assert.rejects(hello({}), says(/is self-signed/));
        assert.equal((await hello({ verify: false })).text, 'Hello J');
      }));

    it('with a certificate of an authority that is known, and shows its own', () =>
      calls({ ca, ...goOwn, clientAuth: true }, async (hello) => {
        assert.equal((await hello({ ca, ...octavoOwn })).text, 'Hello J');
        await assert.rejects(hello({ ca }), says(/wants a certificate of ours/));
        await assert.rejects(hello({}), says(/is signed by nobody in tls\.ca/));
      }));

    it('and finds it by name, with a stream', () =>
      calls({ ca, ...goOwn }, async () => {
        const caller = await calling({ ca });
        const texts: string[] = [];
        for await (const { text } of caller.resolve(GreeterClient).count({ name: 'a', count: 2 }))
          texts.push(text);
        assert.deepEqual(texts, ['a-0', 'a-1']);
        await caller.stop();
      }));

    it('in plain text, and is refused', () =>
      calls({ ca, ...goOwn }, async (hello) => {
        await assert.rejects(hello(undefined));
      }));
  });
}
