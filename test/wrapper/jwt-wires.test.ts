import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Allow, ClientOf, Handler, Public, Service, Subscribe } from '../../decorators/index.js';
import { grpc as grpcClient } from '../../src/client/grpc.js';
import { http as httpClient } from '../../src/client/http.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { ClientOptions } from '../../src/client/client.js';
import { Context } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { SystemClock } from '../../src/core/system-clock.js';
import type { Provider } from '../../src/core/provider.js';
import { grpc as grpcServer } from '../../src/server/grpc.js';
import { http as httpServer } from '../../src/server/http.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { TestApp } from '../../src/testing/test-app.js';
import { http } from '../../src/transport/http.js';
import { memory } from '../../src/transport/memory.js';
import { tcp } from '../../src/transport/tcp.js';
import type { Transport } from '../../src/transport/transport.js';
import { jwt, jwtClient } from '../../src/wrapper/jwt.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import { Ask, Signal, Told } from '../conformance/probe.js';
import { Issuer } from '../support/issuer.js';
import { has, type Wire } from '../support/wrapping.js';

function told(text: string): Told {
  return Object.assign(new Told(), { text });
}

/** Whom the handler that runs takes its caller for. */
function caller(): string {
  return Context.current()?.principal?.subject ?? 'nobody';
}

@Service({ name: 'desk' })
@Allow('user')
class Desk {
  readonly events = new Signal<string>();

  @Handler(Ask, Told)
  async visit(): Promise<Told> {
    return told(caller());
  }

  @Handler(Ask, Told)
  @Allow('admin')
  async close(): Promise<Told> {
    return told(caller());
  }

  @Handler(Ask, Told)
  @Public()
  async look(): Promise<Told> {
    return told(caller());
  }

  @Handler(Ask, Told, { stream: 'server' })
  async *count({ count }: Ask): AsyncIterable<Told> {
    for (let n = 0; n < count; n++) yield told(caller());
  }

  @Handler(Ask, Told, { stream: 'bidi' })
  async *chat(asks: AsyncIterable<Ask>): AsyncIterable<Told> {
    for await (const { text } of asks) yield told(`${caller()} ${text}`);
  }

  @Subscribe('visits', Ask)
  async onVisit({ text }: Ask): Promise<void> {
    this.events.fire(`${caller()} ${text}`);
  }
}

class DeskClient extends ClientOf(Desk) {}

/** Calls the desk out of a handler of its own, and says whom the desk took it for. */
@Service({ name: 'porter' })
class Porter {
  constructor(private readonly desk: DeskClient) {}

  @Handler(Ask, Told)
  async announce(): Promise<Told> {
    return told(await this.desk.look({}).then(({ text }) => text));
  }
}

class PorterClient extends ClientOf(Porter) {}

const RPC: Wire = { client: rpcClient, server: rpcServer };
const WIRES: Readonly<Record<string, readonly [Wire, () => Provider<Transport>]>> = {
  'rpc in memory': [RPC, memory],
  'rpc over http': [RPC, () => http()],
  'rpc over tcp': [RPC, () => tcp()],
  grpc: [{ client: grpcClient, server: grpcServer }, memory],
  http: [{ client: httpClient, server: httpServer }, memory],
};

/** The metadata of a call with a token. */
function by(token: string): { metadata: { authorization: string } } {
  return { metadata: { authorization: `Bearer ${token}` } };
}

const refused = has('unauthenticated', { executed: false });

for (const [name, [wire, transport]] of Object.entries(WIRES))
  describe(`jwt by ${name}`, () => {
    const clock = new SystemClock();
    let issuer: Issuer;
    let guard: Wrapper;
    let app: TestApp;

    const start = (client: ClientOptions = {}): Promise<TestApp> =>
      TestApp.create({
        services: [Desk, Porter],
        transport: transport(),
        client: wire.client(client),
        server: wire.server({ wrappers: [guard], subscriberWrappers: [guard] }),
      }).start();

    before(async () => {
      issuer = await Issuer.start(clock);
      guard = await jwt({
        jwks: { url: issuer.url, cooldownMs: 0 },
        issuer: 'https://issuer.test',
        audience: 'desk',
      });
      app = await start();
    });
    after(async () => {
      await app.stop();
      await issuer[Symbol.asyncDispose]();
    });

    const bearer = async (...roles: string[]): Promise<ReturnType<typeof by>> =>
      by(await issuer.token({ claims: { roles } }));

    it('knows who calls, in calls and streams, and lets nobody else in', async () => {
      const desk = app.client(DeskClient);
      const user = await bearer('user');
      assert.equal((await desk.visit({}, user)).text, 'ada');
      for await (const { text } of desk.count({ count: 2 }, user)) assert.equal(text, 'ada');
      const said: string[] = [];
      for await (const { text } of desk.chat([{ text: 'x' }], user)) said.push(text);
      assert.deepEqual(said, ['ada x']);
      const read = async (items: AsyncIterable<unknown>): Promise<void> => {
        for await (const item of items) assert.fail(String(item));
      };
      for (const options of [{}, by('a.b.c'), by(await issuer.token({ audience: 'shelf' }))]) {
        await assert.rejects(desk.visit({}, options), refused);
        await assert.rejects(read(desk.count({ count: 2 }, options)), has('unauthenticated'));
        await assert.rejects(read(desk.chat([{ text: 'x' }], options)), has('unauthenticated'));
      }
    });

    it('asks for the roles of the method, else of the class', async () => {
      const desk = app.client(DeskClient);
      await assert.rejects(desk.close({}, await bearer('user')), has('permission_denied'));
      await assert.rejects(desk.visit({}, await bearer('admin')), has('permission_denied'));
      assert.equal((await desk.close({}, await bearer('admin'))).text, 'ada');
      assert.equal((await desk.look({})).text, 'nobody');
      assert.equal((await desk.look({}, await bearer())).text, 'ada');
    });

    it('holds what the framework answers itself to it, too', async () => {
      const request = {
        service: 'desk',
        endpoint: 'Debug.Health',
        body: {},
        contentType: 'application/json',
      };
      await assert.rejects(app.service().client.call(request), has('unauthenticated'));
      await app.service().client.call(request, await bearer());
    });

    it('holds events to it', async () => {
      const desk = app.resolve(Desk);
      const { client } = app.service();
      const publish = (text: string, options = {}): Promise<void> =>
        client.publish({ topic: 'visits', body: { text }, type: Ask }, options);
      await publish('one');
      await publish('two', await bearer('admin'));
      await publish('three', await bearer('user'));
      assert.equal(await desk.events.next(), 'ada three');
      const dropped = app.logs.records.filter(({ message }) => message.includes('which is dropped'));
      assert.deepEqual(
        dropped.map(({ fields }) => OctavoError.from(fields?.['error']).code),
        ['unauthenticated', 'permission_denied'],
      );
    });

    it('does not send a token on by itself', async () => {
      const porter = app.client(PorterClient);
      assert.equal((await porter.announce({}, await bearer('user'))).text, 'nobody');
      await using own = await start({
        wrappers: [jwtClient({ token: await issuer.token({ claims: { sub: 'porter' } }) })],
      });
      // The porter is let in by the caller's token, and goes to the desk with its own.
      assert.equal((await own.client(PorterClient).announce({}, await bearer('user'))).text, 'porter');
      await using forwarding = await start({ forward: ['authorization'] });
      assert.equal((await forwarding.client(PorterClient).announce({}, await bearer('user'))).text, 'ada');
    });

    it('goes on while the issuer changes its keys, and calls go on', async () => {
      let over = false;
      const failures: unknown[] = [];
      const source = async () => ({
        token: await issuer.token({ claims: { roles: ['user'] } }),
        expiresAt: 0,
      });
      await using calling = await start({ wrappers: [jwtClient({ token: source })] });
      const desk = calling.client(DeskClient);
      let calls = 0;
      const going = Array.from({ length: 8 }, async () => {
        while (!over) {
          await desk.visit({}).catch((reason: unknown) => failures.push(reason));
          calls++;
        }
      });
      for (let turn = 0; turn < 5; turn++) {
        const { asked } = issuer;
        // Those that are under way have tokens by the key before.
        await issuer.rotate('ES256', 1);
        while (issuer.asked === asked) await new Promise(setImmediate);
        const made = calls;
        while (calls < made + 50) await new Promise(setImmediate);
      }
      over = true;
      await Promise.all(going);
      assert.deepEqual(failures, []);
      await issuer.down();
      assert.equal((await desk.visit({})).text, 'ada');
      await issuer.up();
    });
  });
