import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { json } from '../../../src/codec/json.js';
import { protobuf } from '../../../src/codec/protobuf.js';
import { OctavoError, type Code } from '../../../src/core/error.js';
import type { Metadata } from '../../../src/core/metadata.js';
import { Raw } from '../../support/raw.js';
import { GoError, GoPeer, VERSIONS } from './go-peer.js';
import { GreeterClient, Mood, PlainClient } from './greeter.js';
import { octavo, serving, slow, until, type Octavo } from './octavo.js';

/** The largest number that JavaScript's JSON holds. */
const MOST = Number.MAX_SAFE_INTEGER;
/** Bytes of a body that comes in many pieces, and of a header that Node's own http would refuse. */
const LONG_BODY = 1024 * 1024;
const LONG_HEADER = 24 * 1024;
/** A little longer than Node's own http keeps an idle connection, which a Go client does not notice. */
const PAUSE_MS = 5_500;
const JSON_TYPE = 'application/json';

/** A reply as Go's encoding/json shows it. */
interface GoReply {
  readonly text?: string;
  readonly big_number?: number;
  readonly mood?: number;
  readonly node?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Which code is which between the two, and what the id and the detail of the failing handlers are. */
const FAILURES: readonly (readonly [string, number, Code, string])[] = [
  ['bad', 400, 'invalid_argument', 'bad <bad> é'],
  ['unauthorized', 401, 'unauthenticated', 'who are you'],
  ['forbidden', 403, 'permission_denied', 'not you'],
  ['missing', 404, 'not_found', 'no such thing'],
  ['conflict', 409, 'already_exists', 'already there'],
  ['internal', 500, 'internal', 'broken'],
];

for (const version of VERSIONS) {
  describe(`a go-micro ${version} client calls Octavo`, () => {
    let go: GoPeer;
    let service: Octavo;
    before(async () => {
      go = new GoPeer(version);
      service = await serving();
    });
    after(async () => {
      await go[Symbol.asyncDispose]();
      await service.stop();
    });

    const call = (endpoint: string, more: Readonly<Record<string, unknown>> = {}): Promise<GoReply> =>
      go.ask({ do: 'call', service: 'greeter', endpoint: `Greeter.${endpoint}`, ...more });

    for (const contentType of ['application/protobuf', JSON_TYPE])
      it(`with ${contentType}, found by name`, async () => {
        const request = { name: 'Jörg', big_number: MOST, mood: 1 };
        const { text, big_number, mood } = await call('Hello', { contentType, request });
        assert.deepEqual([text, big_number, mood], ['Hello Jörg', MOST, 1]);
      });

    for (const contentType of ['application/protobuf', JSON_TYPE])
      it(`with ${contentType}, and gets an empty reply for an empty request`, async () => {
        assert.deepEqual(await call('Empty', { contentType }), {});
      });

    it('by address, without asking the registry', async () => {
      const address = service.server.node?.address;
      assert.equal((await call('Hello', { address, request: { name: 'J' } })).text, 'Hello J');
    });

    it('twenty times over the connection that it keeps', async () => {
      const replies = await call('Hello', { request: { name: 'J' }, times: 20 });
      assert.ok(Array.isArray(replies) && replies.length === 20);
    });

    it('and a long body and long metadata arrive whole', async () => {
      const metadata = { Long: 'x'.repeat(LONG_HEADER) };
      const reply = await call('Hello', { metadata, request: { name: 'y'.repeat(LONG_BODY) } });
      assert.equal(reply.text?.length, 'Hello '.length + LONG_BODY);
      assert.equal(reply.metadata?.['Long']?.length, LONG_HEADER);
    });

    it('and the connection that it keeps is open after a pause', async () => {
      await call('Hello', { request: { name: 'J' } });
      await pause(PAUSE_MS);
      assert.equal((await call('Hello', { request: { name: 'J' } })).text, 'Hello J');
    });

    for (const [name, code, , detail] of FAILURES)
      it(`and gets the error ${code}, with its id, detail and status`, async () => {
        await assert.rejects(call('Fail', { request: { name } }), (error) => {
          assert.ok(error instanceof GoError, String(error));
          assert.deepEqual([error.id, error.code, error.message], ['greeter.fail', code, detail]);
          assert.ok(error.status.length > 0);
          return true;
        });
      });

    it('and gets 500 and an id of the log for what is thrown that is no error of ours', async () => {
      await assert.rejects(
        call('Fail', { request: { name: 'plain' } }),
        (error) =>
          error instanceof GoError &&
          error.code === 500 &&
          /internal error [-0-9a-f]{36}/.test(error.message),
      );
    });

    it('and gets 501 for an endpoint that is not there, and for another service at this address', async () => {
      const address = service.server.node?.address;
      const is501 = (error: unknown): boolean => error instanceof GoError && error.code === 501;
      await assert.rejects(call('Nothing'), is501);
      await assert.rejects(
        go.ask({ do: 'call', service: 'other', endpoint: 'Greeter.Hello', address }),
        (error) => is501(error) && /this is "greeter", not "other"/.test((error as Error).message),
      );
    });

    it('and its metadata arrives, in UTF-8, under names of any case; the wire’s own is kept from the handler', async () => {
      const metadata = { 'foo-bar': 'bäz ✓', Authorization: 'Bearer x' };
      const reply = await call('Hello', { metadata, request: { name: 'J' } });
      assert.deepEqual(reply.metadata, { 'Foo-Bar': 'bäz ✓', Authorization: 'Bearer x' });
    });

    it('and its timeout is the handler’s deadline: 5 s for each attempt, whatever the caller waits', async () => {
      const { big_number: left = 0 } = await call('Slow', { request: { delay_ms: 1 }, timeoutMs: 20_000 });
      assert.ok(left > 4_000 && left <= 5_000, String(left));
    });

    it('and a handler that is too slow is cancelled, and the call is 408', async () => {
      slow.length = 0;
      await assert.rejects(
        call('Slow', { request: { delay_ms: 30_000 }, attemptMs: 200 }),
        (error) => error instanceof GoError && error.code === 408,
      );
      // Which of the two sees first that the time is over is a race; the handler learns of it in any case.
      await until(() => slow.length === 2);
      assert.deepEqual(slow, ['began', 'cancelled']);
    });

    it('and its retries run a slow handler again: go-micro retries 408', async () => {
      slow.length = 0;
      await assert.rejects(call('Slow', { request: { delay_ms: 30_000 }, attemptMs: 100, retries: 2 }));
      await until(() => slow.length === 6);
      assert.equal(slow.filter((each) => each === 'began').length, 3);
    });

    it('Debug.Health and Debug.Stats', async () => {
      const ask = (endpoint: string, contentType: string): Promise<Record<string, unknown>> =>
        go.ask({ do: 'call', service: 'greeter', endpoint, contentType });
      for (const contentType of ['application/protobuf', JSON_TYPE]) {
        assert.deepEqual(await ask('Debug.Health', contentType), { status: 'ok' });
        const { requests, memory, started } = await ask('Debug.Stats', contentType);
        assert.ok(Number(requests) > 0 && Number(memory) > 1_000_000 && Number(started) > 1_600_000_000);
      }
    });
  });

  describe(`Octavo calls a go-micro ${version} server`, () => {
    let go: GoPeer;
    let address: string;
    let service: Octavo;
    let greeter: GreeterClient;
    before(async () => {
      go = new GoPeer(version);
      ({ address } = await go.ask<{ address: string }>({
        do: 'serve',
        service: 'greeter',
        version: '1',
        serverID: 'go',
      }));
      service = await octavo({ codecs: [protobuf(), json()] });
      greeter = service.resolve(GreeterClient);
    });
    after(async () => {
      await service.stop();
      await go[Symbol.asyncDispose]();
    });

    for (const contentType of ['application/protobuf', JSON_TYPE])
      it(`with ${contentType}, found by name`, async () => {
        const request = { name: 'Jörg', bigNumber: BigInt(MOST), mood: Mood.GLAD };
        const { text, bigNumber, mood, node } = await greeter.hello(request, { contentType });
        assert.deepEqual(
          [text, bigNumber, mood, node],
          ['Hello Jörg', BigInt(MOST), Mood.GLAD, 'greeter-go'],
        );
      });

    it('and numbers that JSON in JavaScript cannot hold arrive by protobuf, and never wrong by JSON', async () => {
      const bigNumber = BigInt(MOST) + 2n;
      assert.equal((await greeter.hello({ bigNumber })).bigNumber, bigNumber);
      await assert.rejects(
        greeter.hello({ bigNumber }, { contentType: JSON_TYPE }),
        (error) => error instanceof OctavoError && /bigNumber.*safe integer/.test(error.message),
      );
    });

    for (const contentType of ['application/protobuf', JSON_TYPE])
      it(`with ${contentType}, and gets an empty reply for an empty request`, async () => {
        assert.equal((await greeter.empty({}, { contentType })).text, '');
      });

    it('by address, without asking the registry', async () => {
      assert.equal((await greeter.hello({ name: 'J' }, { address })).node, 'greeter-go');
    });

    it('without a contract', async () => {
      const reply = await service.client.call({
        service: 'greeter',
        endpoint: 'Greeter.Hello',
        contentType: JSON_TYPE,
        body: { name: 'J' },
      });
      assert.equal((reply as { text?: string }).text, 'Hello J');
    });

    it('many at once, each on a connection of its own', async () => {
      const names = Array.from({ length: 50 }, (_, at) => `J${at}`);
      const replies = await Promise.all(names.map((name) => greeter.hello({ name })));
      assert.deepEqual(
        replies.map(({ text }) => text),
        names.map((name) => `Hello ${name}`),
      );
    });

    it('that has plain structs, with the options of the JSON codec for them', async () => {
      const request = { name: 'J', bigNumber: 5n, mood: Mood.GLAD };
      await assert.rejects(service.resolve(PlainClient).hello(request, { contentType: JSON_TYPE, address }));
      await using other = await octavo({ codecs: [json({ int64: 'number', enums: 'number' })] });
      const options = { contentType: JSON_TYPE, address };
      const { text, bigNumber, mood } = await other.resolve(PlainClient).hello(request, options);
      assert.deepEqual([text, bigNumber, mood], ['Hello J', 5n, Mood.GLAD]);
    });

    it('and a long body and long metadata arrive whole', async () => {
      const options = { metadata: { Long: 'x'.repeat(LONG_HEADER) } };
      const { text, metadata } = await greeter.hello({ name: 'y'.repeat(LONG_BODY) }, options);
      assert.equal(text.length, 'Hello '.length + LONG_BODY);
      assert.equal(metadata.get('Long')?.length, LONG_HEADER);
    });

    for (const [name, , code, message] of FAILURES)
      it(`and gets the error ${code}, with its id and message`, async () => {
        for (const contentType of ['application/protobuf', JSON_TYPE])
          await assert.rejects(greeter.fail({ name }, { contentType }), (error) => {
            assert.ok(error instanceof OctavoError);
            assert.deepEqual([error.id, error.code, error.message], ['greeter.fail', code, message]);
            return true;
          });
      });

    it('and gets plain text as an unknown error', async () => {
      await assert.rejects(
        greeter.fail({ name: 'plain' }),
        (error) => error instanceof OctavoError && error.code === 'unknown' && error.message === 'plain text',
      );
    });

    it('and a handler that panics, of which a Go server says nothing, ends with the deadline', async () => {
      await assert.rejects(
        greeter.fail({ name: 'panic' }, { timeoutMs: 300 }),
        (error) =>
          error instanceof OctavoError &&
          error.code === 'deadline_exceeded' &&
          error.message.includes(`it waited for the reply of ${address}`),
      );
    });

    it('and its endpoints that are not there are unimplemented', async () => {
      const body = { name: 'J' };
      const ask = (endpoint: string): Promise<unknown> =>
        service.client.call({ service: 'greeter', endpoint, contentType: JSON_TYPE, body });
      for (const endpoint of ['Greeter.Nothing', 'Nobody.Hello'])
        await assert.rejects(
          ask(endpoint),
          (error) => error instanceof OctavoError && error.code === 'unimplemented',
        );
    });

    it('and sees that a content type is not known there by the one of the reply', async () => {
      const raw = await Raw.open(address);
      raw.write(
        'POST / HTTP/1.1\r\nHost: go\r\nContent-Type: application/json; charset=utf-8\r\nMicro-Service: greeter\r\nMicro-Endpoint: Greeter.Hello\r\nContent-Length: 2\r\n\r\n{}',
      );
      const text = await raw.until((all) => /unsupported Content-Type/.test(all));
      raw.close();
      assert.match(text, /^HTTP\/1\.1 200 OK/);
      assert.match(text, /Content-Type: text\/plain/);
      assert.doesNotMatch(text, /Micro-Error/);
    });

    it('and its metadata arrives, in UTF-8, in Go’s spelling', async () => {
      const { metadata } = await greeter.hello(
        { name: 'J' },
        { metadata: { 'foo-bar': 'bäz ✓', multi: ['a', 'b'] } },
      );
      assert.equal(metadata.get('Foo-Bar'), 'bäz ✓');
      assert.equal(metadata.get('Micro-Service'), 'greeter');
    });

    it('and what the server echoes of the request is not shown as its metadata', async () => {
      // The echo is of the first request on a connection, so a caller of its own makes one.
      await using other = await octavo();
      const shown: Record<string, string>[] = [];
      const show = (metadata: Metadata): void => void shown.push(metadata.toJSON());
      const options = { metadata: { Secret: 'x' }, onHeader: show, onTrailer: show };
      await other.resolve(GreeterClient).hello({ name: 'J' }, options);
      await assert.rejects(other.resolve(GreeterClient).fail({ name: 'missing' }, options));
      assert.deepEqual(shown, [{}, {}, {}, {}]);
    });

    it('and what is left of the deadline is the Go handler’s', async () => {
      const { bigNumber } = await greeter.slow({ delayMs: 1 }, { timeoutMs: 20_000 });
      assert.ok(bigNumber > 18_000n && bigNumber <= 20_000n, String(bigNumber));
    });

    it('and a Go handler that is too slow is a deadline_exceeded, made once', async () => {
      const executed = await go.ask<number>({ do: 'executed' });
      const begin = Date.now();
      await assert.rejects(
        greeter.slow({ delayMs: 5_000 }, { timeoutMs: 300 }),
        (error) => error instanceof OctavoError && error.code === 'deadline_exceeded',
      );
      assert.ok(Date.now() - begin < 2_000);
      assert.equal((await go.ask<number>({ do: 'executed' })) - executed, 1);
    });

    it('Debug.Health and Debug.Stats', async () => {
      const ask = (endpoint: string): Promise<unknown> =>
        service.client.call({ service: 'greeter', endpoint, contentType: JSON_TYPE, body: {} });
      assert.deepEqual(await ask('Debug.Health'), { status: 'ok' });
      assert.equal(typeof (await ask('Debug.Stats')), 'object');
    });
  });
}
