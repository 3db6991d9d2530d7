import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { ClientOf, Field, Handler, Message, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { grpc as grpcClient } from '../../src/client/grpc.js';
import { http as httpClient } from '../../src/client/http.js';
import type { Context } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import type { Provider } from '../../src/core/provider.js';
import type { TlsOptions } from '../../src/core/tls.js';
import { memory as memoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { grpc as grpcServer } from '../../src/server/grpc.js';
import { http as httpServer } from '../../src/server/http.js';
import { rpc } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { grpc } from '../../src/transport/grpc.js';
import { http } from '../../src/transport/http.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { tcp } from '../../src/transport/tcp.js';
import type { Transport } from '../../src/transport/transport.js';
import { ratelimit } from '../../src/wrapper/ratelimit.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import { FAULTS, identity, newAuthority } from '../conformance/tls/identities.js';
import { Authority } from '../support/certificates.js';

@Message('tls.Nothing')
class Nothing {}

@Message('tls.Caller')
class Caller {
  @Field(1, 'string') subject = '';
  @Field(2, 'string') principal = '';
}

@Service({ name: 'door' })
class Door {
  @Handler(Nothing, Caller)
  async who(_: Nothing, { peer, principal }: Context): Promise<Caller> {
    const subject = peer.certificate?.subject ?? `nobody ${Object.keys(peer).join(' ')}`;
    return { subject, principal: principal?.subject ?? 'nobody' };
  }
}

class DoorClient extends ClientOf(Door) {}

const authority = await Authority.make();
const stranger = await Authority.make('somebody else');
const { ca } = authority;
const server = await authority.issue('server');
const client = await authority.issue('client');
const desk = await authority.issue('desk', { san: 'URI:spiffe://octavo.example/desk,DNS:desk.local' });
const hall = await authority.issue('hall', { san: 'URI:spiffe://octavo.example/hall,DNS:desk.local' });

const trusted = newAuthority();

let world = new MemoryWorld();
let opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.reverse()) await close();
  opened = [];
  world = new MemoryWorld();
});

async function started(
  tls: TlsOptions | undefined,
  more: ServiceOptions = {},
): Promise<ReturnType<typeof createService>> {
  const service = createService({
    transport: http(tls === undefined ? {} : { tls }),
    registry: memoryRegistry({ world }),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
    ...more,
  });
  opened.push(() => service.stop());
  await service.start();
  return service;
}

const door = (tls: TlsOptions | undefined): Promise<ReturnType<typeof createService>> =>
  started(tls, { services: [Door] });

const who = async (tls: TlsOptions | undefined): Promise<string> => (await ask(tls)).subject;

async function ask(tls: TlsOptions | undefined): Promise<Caller> {
  const caller = await started(tls, { name: 'caller' });
  return caller.resolve(DoorClient).who({});
}

function refuses(code: string, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof OctavoError);
    assert.match(error.message, pattern);
    assert.deepEqual([error.code, error.executed], [code, false]);
    return true;
  };
}

/** How a service is served and called over TLS. */
interface Stack {
  readonly serve: (tls: TlsOptions, wrappers: readonly Wrapper[]) => ServiceOptions;
  readonly call: (tls: Omit<TlsOptions, 'clientAuth'>) => ServiceOptions;
}

const overTransport = (transport: (options: { tls: TlsOptions }) => Provider<Transport>): Stack => ({
  serve: (tls, wrappers) => ({ transport: transport({ tls }), server: rpc({ wrappers }) }),
  call: (tls) => ({ transport: transport({ tls }) }),
});
const byHttp = (version: '1.1' | '2'): Stack => ({
  serve: (tls, wrappers) => ({ transport: memoryTransport(), server: httpServer({ tls, wrappers }) }),
  call: (tls) => ({ transport: memoryTransport(), client: httpClient({ tls, version }) }),
});

const STACKS: Readonly<Record<string, Stack>> = {
  'rpc over http': overTransport(http),
  'rpc over tcp': overTransport(tcp),
  'rpc over grpc': overTransport(grpc),
  'the http server, HTTP/1.1': byHttp('1.1'),
  'the http server, HTTP/2': byHttp('2'),
  'the grpc server': {
    serve: (tls, wrappers) => ({ transport: memoryTransport(), server: grpcServer({ tls, wrappers }) }),
    call: (tls) => ({ transport: memoryTransport(), client: grpcClient({ tls }) }),
  },
};

for (const [name, { serve, call }] of Object.entries(STACKS))
  describe(`a service by ${name} with mutual TLS`, () => {
    it('knows its caller by the SPIFFE id, and limits each by that', async () => {
      const wrappers = [ratelimit({ perSecond: 0.001, burst: 1, by: 'principal' })];
      const tls = { ca, ...server, clientAuth: 'request' } as const;
      await started(undefined, { services: [Door], ...serve(tls, wrappers) });
      const asked = async (own: TlsOptions): Promise<string> => {
        const caller = await started(undefined, { name: 'caller', ...call({ ca, ...own }) });
        const { subject, principal } = await caller.resolve(DoorClient).who({}, { retries: 0 });
        return `${subject} ${principal}`;
      };
      assert.equal(await asked(desk), 'CN=desk spiffe://octavo.example/desk');
      assert.equal(await asked(hall), 'CN=hall spiffe://octavo.example/hall');
      assert.match(await asked({}), /^nobody .* nobody$/);
      for (const again of [desk, hall, {}])
        await assert.rejects(asked(again), { code: 'resource_exhausted', executed: false });
    });

    for (const { what, identity: made, says } of FAULTS)
      it(`lets nobody in whose certificate ${what}, and says why`, async () => {
        const logger = new TestLogger();
        const tls = { ca: trusted.cert, ...identity(trusted, 'server'), clientAuth: 'require' } as const;
        const service = await started(undefined, {
          services: [Door],
          logger: () => logger,
          ...serve(tls, []),
        });
        const address = service.server.node?.address ?? '';
        const [host, port] = address.split(':');
        const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ...made(trusted) });
        opened.push(() => socket.destroy());
        socket.on('error', () => {});
        socket.on('secureConnect', () =>
          socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
        );
        let told = '';
        socket.on('data', (bytes: Buffer) => (told += bytes.toString('latin1')));
        await once(socket, 'close');
        assert.match(logger.records.map(({ fields }) => String(fields['error'])).join('\n'), says);
        assert.doesNotMatch(told, / 200 /);
      });
  });

describe('a service over TLS', () => {
  it('knows who calls by the certificate, and nothing of it where there is none', async () => {
    await door({ ca, ...server, clientAuth: 'request' });
    assert.equal(await who({ ca, ...client }), 'CN=client');
    assert.equal(await who({ ca }), 'nobody address octavo');
  });

  it('says in the registry that it takes TLS, and one without says nothing', async () => {
    const secure = await door(server);
    assert.equal(secure.server.node?.metadata['secure'], 'true');
    const plain = await door(undefined);
    assert.ok(!('secure' in (plain.server.node?.metadata ?? {})));
  });

  it('gives who has no TLS, the wrong authority or no certificate an error with the remedy', async () => {
    await door({ ca, ...server, clientAuth: 'require' });
    await assert.rejects(
      who(undefined),
      refuses('unavailable', /takes TLS only, as its node says: give the http transport the option tls/),
    );
    await assert.rejects(
      who({ ca: stranger.ca }),
      refuses('unavailable', /is signed by nobody in tls\.ca: put its authority there/),
    );
    await assert.rejects(
      who({ ca }),
      refuses(
        'unauthenticated',
        /a certificate of the caller is asked for \(tls\.clientAuth\): set tls\.cert/,
      ),
    );
  });

  it('leaves those of a fleet that do not have it to others', async () => {
    await door(server);
    await door(undefined);
    for (let n = 0; n < 8; n++) {
      assert.equal(await who(undefined), 'nobody address octavo');
      assert.equal(await who({ ca }), 'nobody address octavo');
    }
  });

  it('fails its start without a certificate, naming the option', async () => {
    await assert.rejects(door({ ca }), /tls of the http transport: whoever listens needs a certificate/);
    await assert.rejects(door({ ca: '/no/such.pem' }), /tls\.ca of the http transport \(\/no\/such\.pem\)/);
  });

  it('is made by the recipe of the docs', async () => {
    const [, recipe = ''] = /```sh\n([^]*?)```/.exec(readFileSync('docs/tls.md', 'utf8')) ?? [];
    const folder = mkdtempSync(join(tmpdir(), 'octavo-tls-recipe-'));
    after(() => rmSync(folder, { recursive: true, force: true }));
    await promisify(execFile)('sh', ['-ec', recipe], { cwd: folder });
    const made = (file: string): string => join(folder, file);
    const own = { ca: made('ca.pem'), cert: made('greeter.pem'), key: made('greeter.key') };
    await door({ ...own, clientAuth: 'require' });
    for (const serverName of ['10.0.0.7', 'greeter.local'])
      assert.equal(await who({ ...own, serverName }), 'CN=greeter');
  });
});
