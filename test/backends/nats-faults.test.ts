import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { OctavoError } from '../../src/core/error.js';
import {
  ANY,
  answering,
  bothEnds,
  call,
  echo,
  fails,
  item,
  message,
  text,
} from '../conformance/transport/talk.js';
import { Bench, failure, timed, works } from '../support/nats-bench.js';
import { RawNats } from '../support/raw-nats.js';

const SECRET = 'hunter2';

describe('the start of the nats transport', () => {
  it('says what it tried, and for how long, where there is no server', () =>
    Bench.with(async (bench) => {
      const transport = bench.make({ connectTimeoutMs: 600 });
      await bench.server.kill();
      let error: OctavoError | undefined;
      const ms = await timed(async () => (error = await failure(() => transport.start())));
      assert.ok(ms < 1_500, `${ms} ms`);
      assert.equal(error?.code, 'unavailable');
      assert.match(
        error?.message ?? '',
        new RegExp(`no NATS server at ${bench.server.address} within \\d+ ms: connection refused`),
      );
      await bench.server.restart();
      await transport.start();
      await works(transport, await transport.listen(ANY, echo));
    }));

  it('waits for a server that comes up meanwhile', () =>
    Bench.with(async (bench) => {
      await bench.server.kill();
      const transport = bench.make();
      const starting = transport.start();
      await bench.server.restart();
      await starting;
    }));

  it('opens once when it is asked for twice at once', () =>
    Bench.with(async (bench) => {
      const transport = bench.make();
      await Promise.all([transport.start(), transport.start()]);
      await works(transport, await transport.listen(ANY, echo));
    }));

  it('does not go on when it is stopped meanwhile', () =>
    Bench.with(async (bench) => {
      await bench.server.kill();
      const transport = bench.make();
      const starting = failure(() => transport.start());
      await transport.stop();
      const ms = await timed(async () => assert.equal((await starting).code, 'unavailable'));
      assert.ok(ms < 1_000, `${ms} ms`);
    }));

  it('fails at once for a wrong password, and says that word', () =>
    Bench.with(
      async (bench) => {
        const transport = bench.make({ user: 'ada', pass: `${SECRET}-not` });
        let error: OctavoError | undefined;
        const ms = await timed(async () => (error = await failure(() => transport.start())));
        assert.ok(ms < 1_000, `${ms} ms`);
        assert.equal(error?.code, 'unauthenticated');
        assert.match(error?.message ?? '', /password/);
        assert.ok(!inspect(error, { depth: 10 }).includes(SECRET));
      },
      { args: ['--user', 'ada', '--pass', SECRET] },
    ));

  it('takes user and password apart, in an address, and a token', async () => {
    await Bench.with(
      async (bench) => {
        await bench.started({ user: 'ada', pass: `${SECRET}@/` });
        await bench.started({
          addresses: [`nats://ada:${encodeURIComponent(`${SECRET}@/`)}@${bench.server.address}`],
        });
      },
      { args: ['--user', 'ada', '--pass', `${SECRET}@/`] },
    );
    await Bench.with(
      async (bench) => {
        await bench.started({ token: SECRET });
        await bench.started({ addresses: [`nats://${SECRET}@${bench.server.address}`] });
      },
      { args: ['--auth', SECRET] },
    );
  });

  it('never shows what is secret, whatever happens', () =>
    Bench.with(
      async (bench) => {
        const addresses = [`nats://ada:${SECRET}@${bench.server.address}`];
        const transport = await bench.started({ addresses });
        const { near } = await bothEnds(transport);
        const waiting = failure(async () => near.receive());
        await bench.server.kill();
        const errors = [
          await waiting,
          await failure(() => call(transport, { address: 'x', close: async () => {} }, message('x'))),
        ];
        errors.push(await failure(() => bench.make({ addresses, connectTimeoutMs: 300 }).start()));
        for (const error of errors)
          assert.ok(!inspect(error, { depth: 10 }).includes(SECRET), inspect(error));
        assert.ok(bench.logger.records.length > 0);
        assert.ok(!inspect(bench.logger.records, { depth: 10 }).includes(SECRET));
      },
      { args: ['--user', 'ada', '--pass', SECRET] },
    ));
});

describe('the death of a NATS server', () => {
  it('ends what is under way at once, and what comes next is refused and not kept', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const { near, far } = await bothEnds(transport);
      const silent = await transport.listen(ANY, () => {});
      const pending = call(transport, silent, message('x'));
      const ends = [near, far].map((end) => failure(async () => end.receive()));
      ends.push(failure(() => pending));
      await new Promise((resolve) => setTimeout(resolve, 20));
      const ms = await timed(async () => {
        await bench.server.kill();
        for (const error of await Promise.all(ends)) {
          assert.equal(error.code, 'unavailable');
          assert.equal(error.executed, undefined);
        }
      });
      assert.ok(ms < 1_000, `${ms} ms`);
      const refused = await failure(() => call(transport, silent, message('y')));
      assert.equal(refused.code, 'unavailable');
      assert.equal(refused.executed, false);
      await fails(() => transport.listen('another', () => {}), 'unavailable');
    }));

  it('is got over by itself, time and again, with every address as it was', () =>
    Bench.with(async (bench) => {
      const [here, there] = [await bench.started(), await bench.started()];
      const listeners = [await here.listen(ANY, echo), await here.listen('greeter', echo)];
      for (let round = 0; round < 5; round++) {
        for (const listener of listeners) await works(there, listener);
        await bench.server.kill();
        await bench.server.restart();
        const ms = await timed(async () => {
          for (const listener of listeners) await works(there, listener);
        });
        assert.ok(ms < 5_000, `${ms} ms in round ${round}`);
      }
    }));

  it('takes nothing that was sent before into the time after it', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const came: (string | undefined)[] = [];
      const listener = await transport.listen(
        ANY,
        answering(async (socket) => {
          const received = await socket.receive();
          came.push(text(received));
          if (received !== undefined) await socket.send(received);
          socket.close();
        }),
      );
      await bench.server.kill();
      for (let n = 0; n < 1_000; n++) await call(transport, listener, message(`down ${n}`)).catch(() => {});
      await bench.server.restart();
      await works(transport, listener);
      assert.deepEqual([...new Set(came)], ['back']);
    }));
});

describe('a NATS server that hangs', () => {
  it('is noticed within seconds, and got over when it goes on', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(ANY, echo);
      const { near } = await bothEnds(transport);
      await works(transport, listener);
      await bench.server.pause();
      const waiting = failure(async () => near.receive());
      const ms = await timed(async () => assert.equal((await waiting).code, 'unavailable'));
      assert.ok(ms < 6_000, `${ms} ms`);
      bench.server.resume();
      await works(transport, listener);
    }));

  it('does not keep a stop up', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      await transport.listen(ANY, echo);
      await bench.server.pause();
      const ms = await timed(() => transport.stop());
      assert.ok(ms < 5_000, `${ms} ms`);
      bench.server.resume();
    }));
});

describe('what a NATS server allows', () => {
  const LIMITED = `max_payload: 65536
    authorization { users: [ { user: ada, password: x, permissions: { publish: { deny: ["closed.to.write", "closed.to.write.octavo", "half.octavo"] }, subscribe: { deny: "closed.>" } } } ] }`;

  it('and a message is larger: its sender is told, and the socket lives on', () =>
    Bench.with(
      async (bench) => {
        const transport = await bench.started({ user: 'ada', pass: 'x' });
        const { near, far } = await bothEnds(transport);
        for (const [from, to] of [
          [near, far],
          [far, near],
        ] as const) {
          const error = await failure(async () => from.send(item(Buffer.alloc(65_536))));
          assert.equal(error.code, 'resource_exhausted');
          assert.match(error.message, /max_payload/);
          await from.send(item('lives on'));
          assert.equal(text(await to.receive()), 'lives on');
        }
      },
      { config: LIMITED },
    ));

  it('and a subject is forbidden: listening there says so', () =>
    Bench.with(
      async (bench) => {
        const transport = await bench.started({ user: 'ada', pass: 'x' });
        const error = await failure(() => transport.listen('closed.to.read', echo));
        assert.equal(error.code, 'permission_denied');
        assert.match(error.message, /closed\.to\.read/);
        await works(transport, await transport.listen('open', echo));
      },
      { config: LIMITED },
    ));

  it('and one may not publish to a subject: a call says so', () =>
    Bench.with(
      async (bench) => {
        const transport = await bench.started({ user: 'ada', pass: 'x' });
        const address = { address: 'closed.to.write', close: async () => {} };
        const error = await failure(() => call(transport, address, message('x')));
        assert.equal(error.code, 'permission_denied');
        assert.match(error.message, /closed\.to\.write/);
      },
      { config: LIMITED },
    ));

  it('and one may not ask for Octavo peers: they are spoken to as go-micro peers are', () =>
    Bench.with(
      async (bench) => {
        const transport = await bench.started({ user: 'ada', pass: 'x' });
        const raw = await RawNats.open(`127.0.0.1:${bench.server.port}`, { user: 'ada', pass: 'x' });
        raw.hear('half');
        await raw.flush();
        const calling = call(transport, { address: 'half', close: async () => {} }, message('x'));
        const { data, reply = '' } = await raw.next();
        raw.say(reply, data);
        assert.equal(text(await calling), 'x');
        await raw.close();
      },
      { config: LIMITED },
    ));
});
