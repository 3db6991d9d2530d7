import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { OctavoError } from '../../src/core/error.js';
import type { Listener, Socket, Transport } from '../../src/transport/transport.js';
import type { Suite } from './conform.js';
import { Bench, Files, refuses, type TlsSubject } from './tls/bench.js';
import { FAULTS, identity, newAuthority, SERVER_FAULTS } from './tls/identities.js';
import { ANY, call, echoAll, item, message, text } from './transport/talk.js';

export type { TlsSubject } from './tls/bench.js';

/** What a transport refuses by name whose TLS ends elsewhere: for each fault of a server's certificate one sentence. */
const dialling: Suite<TlsSubject> = Object.fromEntries(
  SERVER_FAULTS.map(({ what, identity: made, says }) => [
    `a server whose certificate ${what} is refused with that reason`,
    (subject: TlsSubject) =>
      Bench.with(subject, async (bench) => {
        const server = await bench.server(made(bench.authority));
        const error = await refuses(await bench.transport({ ca: bench.ca }), server, says);
        assert.equal(error.code, 'unavailable');
        assert.match(error.message, new RegExp(server.address));
      }),
  ]),
);

const listening: Suite<TlsSubject> = Object.fromEntries(
  FAULTS.map(({ what, identity: made, says }) => [
    `a caller whose certificate ${what} is refused, and the log says why`,
    (subject: TlsSubject) =>
      Bench.with(subject, async (bench) => {
        const listener = await bench.listen(bench.known('server', { clientAuth: 'require' }));
        await bench.foreign(listener, made(bench.authority));
        await bench.logged(says);
        assert.equal(listener.accepted(), 0);
      }),
  ]),
);

/** The promises of a transport whose TLS ends in this process: it listens and dials with the option `tls`. */
export const transportTlsSuite = {
  async 'calls are carried for who trusts the authority, by address and by name'(subject) {
    await Bench.with(subject, async (bench) => {
      const listener = await bench.listen(bench.known('server'));
      assert.equal(listener.secure, true);
      assert.equal(await bench.asks({ ca: bench.ca }, listener), 'nobody');
      const byName = { ...listener, address: listener.address.replace('127.0.0.1', 'localhost') };
      assert.equal(await bench.asks({ ca: bench.ca }, byName), 'nobody');
    });
  },

  ...dialling,

  async 'a server is who its certificate says where the name is given, and where nothing is checked'(
    subject,
  ) {
    await Bench.with(subject, async (bench) => {
      const elsewhere = identity(bench.authority, 'elsewhere', { san: ['DNS:elsewhere.example'] });
      const listener = await bench.listen(elsewhere);
      const { ca } = bench;
      assert.equal(await bench.asks({ ca, serverName: 'elsewhere.example' }, listener), 'nobody');
      assert.equal(await bench.asks({ verify: false }, listener), 'nobody');
      await refuses(await bench.transport({ ca, serverName: 'other.example' }), listener, /other\.example/);
      await refuses(await bench.transport({}), listener, /signed by nobody|unknown|UNABLE_TO/i);
    });
  },

  async 'a server that speaks only older versions of TLS is refused with that reason'(subject) {
    await Bench.with(subject, async (bench) => {
      const old = await bench.server({ ...identity(bench.authority, 'old'), maxVersion: 'TLSv1.2' });
      await refuses(await bench.transport({ ca: bench.ca, minVersion: 'TLSv1.3' }), old, /version/i);
    });
  },

  async 'a caller that speaks only older versions of TLS is refused, and the log says why'(subject) {
    await Bench.with(subject, async (bench) => {
      const listener = await bench.listen(bench.known('server', { minVersion: 'TLSv1.3' }));
      await bench.foreign(listener, { maxVersion: 'TLSv1.2' });
      await bench.logged(/version/i);
      assert.equal(listener.accepted(), 0);
      assert.equal(await bench.asks({ ca: bench.ca, minVersion: 'TLSv1.3' }, listener), 'nobody');
    });
  },

  async 'a caller that speaks plain text is refused where TLS is spoken, and told so'(subject) {
    await Bench.with(subject, async (bench) => {
      const listener = await bench.listen(bench.known('server'));
      await refuses(await bench.transport(), listener, /TLS/);
      assert.equal(listener.accepted(), 0);
    });
  },

  async 'a caller that speaks plain text does not dial what says that it is secure'(subject) {
    await Bench.with(subject, async (bench) => {
      const { address } = await bench.listen(bench.known('server'));
      const transport = await bench.transport();
      await assert.rejects(
        async () => transport.dial(address, { secure: true }),
        (error) => error instanceof OctavoError && error.executed === false && /TLS/.test(error.message),
      );
    });
  },

  async 'a caller that speaks TLS is refused where plain text is spoken, and told so'(subject) {
    await Bench.with(subject, async (bench) => {
      const listener = await bench.listen();
      assert.ok(listener.secure !== true);
      await refuses(await bench.transport({ ca: bench.ca }), listener, /does not speak TLS|plain text/);
      assert.equal(listener.accepted(), 0);
    });
  },

  async 'a caller without a certificate is refused where one is required, with that reason'(subject) {
    await Bench.with(subject, async (bench) => {
      const listener = await bench.listen(bench.known('server', { clientAuth: 'require' }));
      const caller = await bench.transport({ ca: bench.ca });
      const { code } = await refuses(caller, listener, /certificate of the caller|tls\.cert/);
      assert.equal(code, 'unauthenticated');
      await bench.logged(/certificate/);
      assert.equal(listener.accepted(), 0);
    });
  },

  async 'a caller is told why its certificate is refused'(subject) {
    await Bench.with(subject, async (bench) => {
      const listener = await bench.listen(bench.known('server', { clientAuth: 'request' }));
      const stranger = identity(newAuthority('somebody else'), 'stranger');
      const caller = await bench.transport({ ca: bench.ca, ...stranger });
      const { code } = await refuses(caller, listener, /certificate/);
      assert.equal(code, 'unauthenticated');
      assert.equal(listener.accepted(), 0);
    });
  },

  ...listening,

  async 'who listens knows the certificate of its caller, where it asks for one'(subject) {
    await Bench.with(subject, async (bench) => {
      const san = ['URI:spiffe://example.org/desk', 'DNS:desk.local'];
      const desk = { ca: bench.ca, ...identity(bench.authority, 'desk', { san }) };
      for (const [clientAuth, of] of [
        ['none', 'nobody'],
        ['request', 'CN=desk'],
        ['require', 'CN=desk'],
      ] as const) {
        const listener = await bench.listen(bench.known('server', { clientAuth }));
        assert.equal(await bench.asks(desk, listener), of);
      }
      const optional = await bench.listen(bench.known('server', { clientAuth: 'request' }));
      assert.equal(await bench.asks({ ca: bench.ca }, optional), 'nobody');
    });
  },

  async 'a listener needs a certificate, and an authority where it asks others for theirs'(subject) {
    await Bench.with(subject, async (bench) => {
      for (const tls of [
        { ca: bench.ca },
        { ...identity(bench.authority, 'careless'), clientAuth: 'require' as const },
      ]) {
        const transport = await bench.transport(tls);
        await assert.rejects(
          async () => transport.listen(ANY, () => {}),
          (error) => error instanceof OctavoError && error.code === 'failed_precondition',
        );
      }
    });
  },

  async 'a listener shows a certificate that was replaced to who dials from then on, and drops nobody'(
    subject,
  ) {
    await Bench.with(subject, (bench) =>
      Files.with(async (files) => {
        await files.write(identity(bench.authority, 'before'));
        const { cert, key } = files;
        const server = await bench.transport({ cert, key, reload: { everyMs: 0 } });
        const listener = await server.listen(ANY, echoAll);
        const held = await (await bench.transport({ ca: bench.ca })).dial(listener.address, { stream: true });
        const says = async (said: string): Promise<void> => {
          await held.send(item(said));
          assert.equal(text(await held.receive()), said);
        };
        await says('one');
        const next = newAuthority('the next authority');
        await files.write(identity(next, 'after'));
        const later = await dialled(await bench.transport({ ca: next.cert }), listener);
        later.close();
        await says('two');
        // Half a file is no certificate: what was there before goes on.
        await writeFile(cert, identity(next, 'half').cert.slice(0, 200));
        for (let n = 0; n < 3; n++)
          (await dialled(await bench.transport({ ca: next.cert }), listener)).close();
        assert.equal(bench.logger.records.filter(({ level }) => level === 'warn').length, 1);
        await says('three');
        held.close();
      }),
    );
  },

  async 'who dials shows a certificate that was replaced at its next connection'(subject) {
    await Bench.with(subject, (bench) =>
      Files.with(async (files) => {
        await files.write(identity(bench.authority, 'before'));
        const { cert, key } = files;
        const caller = await bench.transport({ ca: bench.ca, cert, key, reload: { everyMs: 0 } });
        const server = bench.known('server', { clientAuth: 'require' });
        const [one, two] = [await bench.listen(server), await bench.listen(server)];
        assert.equal(text(await call(caller, one, message('?'))), 'CN=before');
        await files.write(identity(bench.authority, 'after'));
        assert.equal(text(await call(caller, two, message('?'))), 'CN=after');
      }),
    );
  },
} satisfies Suite<TlsSubject>;

/** A connection on which something was said and answered. */
async function dialled(transport: Transport, { address }: Listener): Promise<Socket> {
  const socket = await transport.dial(address, { stream: true });
  await socket.send(item('hello'));
  assert.equal(text(await socket.receive()), 'hello');
  return socket;
}
