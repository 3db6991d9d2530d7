import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  FRAME,
  numberFrame,
  readFrame,
  writeCount,
  writeFrame,
  writeMessage,
  type FrameType,
} from '../../src/transport/bus/frame.js';
import {
  ANY,
  answering,
  call,
  echo,
  echoAll,
  item,
  later,
  message,
  text,
} from '../conformance/transport/talk.js';
import { Bench, failure, works } from '../support/nats-bench.js';
import { RawNats } from '../support/raw-nats.js';

/** A bare client that has a link with a listener, in whose name it can say anything. */
class Stranger {
  readonly raw: RawNats;
  readonly #own: string;
  readonly #to: string;
  #number = 0;

  private constructor(raw: RawNats, own: string, to: string) {
    this.raw = raw;
    this.#own = own;
    this.#to = to;
  }

  static async meet(server: string, address: string): Promise<Stranger> {
    const raw = await RawNats.open(server);
    const own = `stranger.${randomUUID()}`;
    raw.hear(own);
    raw.say(`${address}.octavo`, writeFrame(FRAME.hello, 0, Uint8Array.of(1)), own);
    const welcome = await raw.next();
    assert.equal(readFrame(welcome.data).type, FRAME.welcome);
    return new Stranger(raw, own, welcome.reply ?? '');
  }

  say(frame: Buffer, skip = 0): void {
    this.#number += skip;
    numberFrame(frame, this.#number++);
    this.raw.say(this.#to, frame, this.#own);
  }

  /** Says what is not even a frame. */
  blurt(bytes: Uint8Array): void {
    this.raw.say(this.#to, bytes, this.#own);
  }

  async hears(type: number): Promise<Buffer> {
    for (;;) {
      const { data } = await this.raw.next();
      const frame = readFrame(data);
      if (frame.type === type) return frame.rest;
    }
  }
}

describe('a peer that does not keep to the rules', () => {
  it('is cut off when it does not wait though it was told to', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const { address } = await transport.listen(ANY, () => {});
      const stranger = await Stranger.meet(bench.server.address, address);
      stranger.say(writeMessage(FRAME.stream, 1, item('x')));
      for (let n = 0; n < 1_000; n++) stranger.say(writeMessage(FRAME.message, 1, item('x')));
      assert.match((await stranger.hears(FRAME.cut)).toString(), /resource_exhausted/);
      await stranger.raw.close();
    }));

  it('loses its link when a frame is lost, or makes no sense, and nobody else does', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const ended: (Error | undefined)[] = [];
      const listener = await transport.listen(ANY, (socket) => {
        socket.onClose((error) => ended.push(error));
        echoAll(socket);
      });
      const wrongs: ((stranger: Stranger) => void)[] = [
        (stranger) => stranger.say(writeMessage(FRAME.message, 1, item('x')), 1),
        (stranger) => stranger.blurt(Uint8Array.of(1, 2, 3)),
        (stranger) => stranger.blurt(new Uint8Array(0)),
        (stranger) => stranger.say(writeFrame(FRAME.read, 1, writeCount(99))),
        (stranger) => stranger.say(writeFrame(FRAME.read, 1, 'x')),
        (stranger) => stranger.say(writeFrame(FRAME.welcome, 0)),
        (stranger) => stranger.say(writeMessage(FRAME.stream, 1, item('twice'))),
      ];
      for (const wrong of wrongs) {
        const stranger = await Stranger.meet(bench.server.address, listener.address);
        stranger.say(writeMessage(FRAME.stream, 1, item('x')));
        await stranger.hears(FRAME.message);
        wrong(stranger);
        await stranger.hears(FRAME.gone);
        await stranger.raw.close();
      }
      assert.equal(ended.length, wrongs.length);
      for (const error of ended) assert.match(String(error), /unavailable|broke/);
      await works(transport, listener);
    }));

  it('harms nobody by what is in its messages', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(ANY, echo);
      const stranger = await Stranger.meet(bench.server.address, listener.address);
      const rests = [
        '',
        'x',
        '\0\0\0\x02[]',
        '\0\0\0\x05[1,2]',
        '\xff\xff\xff\xff',
        '\0\0\0\x09["a\\n","b"]',
      ];
      rests.forEach((rest, n) => stranger.say(writeFrame(FRAME.call, n + 1, Buffer.from(rest, 'latin1'))));
      // An empty list of pairs is a header, though an empty one.
      for (let n = 0; n < rests.length - 1; n++)
        assert.match((await stranger.hears(FRAME.cut)).toString(), /malformed/);
      for (const to of [listener.address, `${listener.address}.octavo`])
        for (const what of ['', 'x', '{"Header":{"A":"b\\r\\n"}}', '[]', '{}'])
          for (const reply of [undefined, 'stranger', 'stranger.*', '>']) stranger.raw.say(to, what, reply);
      await stranger.raw.flush();
      await works(transport, listener);
      assert.deepEqual(
        bench.logger.records.filter(({ level }) => level === 'error'),
        [],
      );
      await stranger.raw.close();
    }));

  it('may say anything at all, and the listener goes on', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started();
      const listener = await transport.listen(ANY, echoAll);
      const frame = fc.record({
        type: fc.integer({ min: 0, max: 14 }),
        socket: fc.integer({ min: 0, max: 3 }),
        rest: fc.oneof(
          fc.uint8Array({ maxLength: 20 }),
          fc.string().map((body) => readFrame(writeMessage(FRAME.call, 1, item(body))).rest),
          fc.integer({ min: 0, max: 5 }).map(writeCount),
        ),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 30 }), async (frames) => {
          const stranger = await Stranger.meet(bench.server.address, listener.address);
          // Any type, also those that nobody has.
          for (const { type, socket, rest } of frames)
            stranger.say(writeFrame(type as FrameType, socket, rest));
          await stranger.raw.flush();
          await stranger.raw.close();
        }),
        { numRuns: 100 },
      );
      await works(transport, listener);
      assert.deepEqual(
        bench.logger.records.filter(({ level }) => level === 'error'),
        [],
      );
    }));

  it('is refused when too many calls are open, which were not executed', () =>
    Bench.with(async (bench) => {
      const transport = await bench.started({ maxSockets: 2 });
      const release = later<void>();
      const listener = await transport.listen(
        ANY,
        answering(async (socket) => {
          await release.promise;
          await socket.send(message('done'));
          socket.close();
        }),
      );
      const two = [call(transport, listener, message('1')), call(transport, listener, message('2'))];
      const refused = await failure(() => call(transport, listener, message('3')));
      assert.deepEqual([refused.code, refused.executed], ['resource_exhausted', false]);
      release.resolve();
      assert.deepEqual((await Promise.all(two)).map(text), ['done', 'done']);
      assert.equal(text(await call(transport, listener, message('4'))), 'done');
    }));
});
