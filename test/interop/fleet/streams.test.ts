import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OctavoError } from '../../../src/core/error.js';
import { GoError, GoPeer, VERSIONS } from './go-peer.js';
import { GreeterClient, type Reply } from './greeter.js';
import { octavo, serving, until, type Octavo } from './octavo.js';

const CONTENT_TYPES = ['application/protobuf', 'application/json'];

for (const version of VERSIONS) {
  describe(`a go-micro ${version} client has a stream with Octavo`, () => {
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

    const open = (contentType: string, endpoint = 'Greeter.Chat'): Promise<unknown> =>
      go.ask({ do: 'open', service: 'greeter', endpoint, contentType });
    const send = (name: string, count = 0, endpoint = 'Greeter.Chat'): Promise<unknown> =>
      go.ask({ do: 'send', endpoint, request: { name, count } });
    const receive = async (endpoint = 'Greeter.Chat'): Promise<string | undefined> =>
      (await go.ask<{ text?: string }>({ do: 'receive', endpoint })).text;
    const isEnd = (error: unknown): boolean => error instanceof GoError && error.message === 'EOF';

    for (const contentType of CONTENT_TYPES) {
      it(`of ${contentType}: items both ways, by turns, until the server ends it`, async () => {
        await open(contentType);
        await send('a', 2);
        assert.deepEqual([await receive(), await receive()], ['a-0', 'a-1']);
        await send('b', 1);
        assert.equal(await receive(), 'b-0');
        await send('end');
        await assert.rejects(receive(), isEnd);
        await go.ask({ do: 'close', endpoint: 'Greeter.Chat' });
      });

      it(`of ${contentType}: an error of the handler arrives after the last item`, async () => {
        await open(contentType);
        await send('a', 3);
        await send('fail');
        assert.deepEqual([await receive(), await receive(), await receive()], ['a-0', 'a-1', 'a-2']);
        await assert.rejects(
          receive(),
          (error) =>
            error instanceof GoError &&
            error.id === 'greeter.chat' &&
            error.code === 404 &&
            error.message === 'no more',
        );
        await go.ask({ do: 'close', endpoint: 'Greeter.Chat' });
      });

      it(`of ${contentType}: one request, many replies, in order and none twice`, async () => {
        await open(contentType, 'Greeter.Count');
        await send('c', 200, 'Greeter.Count');
        for (let at = 0; at < 200; at++) assert.equal(await receive('Greeter.Count'), `c-${at}`);
        await assert.rejects(receive('Greeter.Count'), isEnd);
        await go.ask({ do: 'close', endpoint: 'Greeter.Count' });
      });
    }

    it('that it ends itself: the handler’s requests end, and nothing stays open', async () => {
      await open('application/protobuf');
      await send('a', 1);
      assert.equal(await receive(), 'a-0');
      await go.ask({ do: 'close', endpoint: 'Greeter.Chat' });
      await until(() => active(service) === 0);
    });

    it('that dies with the client: the handler is cancelled', async () => {
      await using other = new GoPeer(version);
      await other.ask({ do: 'open', service: 'greeter', endpoint: 'Greeter.Chat' });
      await until(() => active(service) === 1);
      await other.kill();
      await until(() => active(service) === 0);
    });
  });

  describe(`Octavo has a stream with a go-micro ${version} server`, () => {
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
      service = await octavo();
      greeter = service.resolve(GreeterClient);
    });
    after(async () => {
      await service.stop();
      await go[Symbol.asyncDispose]();
    });

    for (const found of ['by name', 'by address']) {
      const options = (): { address?: string } => (found === 'by name' ? {} : { address });
      for (const contentType of CONTENT_TYPES) {
        it(`of ${contentType}, found ${found}: items both ways, by turns, until the server ends it`, async () => {
          const stream = service.client.stream(
            { service: 'greeter', endpoint: 'Greeter.Chat', contentType: 'application/json' },
            options(),
          );
          await stream.send({ name: 'a', count: 2 });
          assert.deepEqual([text(await stream.receive()), text(await stream.receive())], ['a-0', 'a-1']);
          await stream.send({ name: 'b', count: 1 });
          assert.equal(text(await stream.receive()), 'b-0');
          await stream.send({ name: 'end' });
          assert.equal(await stream.receive(), undefined);
        });

        it(`of ${contentType}, found ${found}: all it sends is answered, though its own items end first`, async () => {
          const requests = [{ name: 'a', count: 2 }, { name: 'b', count: 2 }, { name: 'end' }];
          const texts = await textsOf(greeter.chat(requests, { contentType, ...options() }));
          assert.deepEqual(texts, ['a-0', 'a-1', 'b-0', 'b-1']);
        });

        it(`of ${contentType}, found ${found}: one request, many replies`, async () => {
          const texts = await textsOf(greeter.count({ name: 'c', count: 5 }, { contentType, ...options() }));
          assert.deepEqual(texts, ['c-0', 'c-1', 'c-2', 'c-3', 'c-4']);
        });

        it(`of ${contentType}, found ${found}: an error of the handler arrives after the last item`, async () => {
          const seen: string[] = [];
          await assert.rejects(
            async () => {
              const requests = [{ name: 'a', count: 2 }, { name: 'fail' }];
              for await (const item of greeter.chat(requests, { contentType, ...options() }))
                seen.push(item.text);
            },
            (error) =>
              error instanceof OctavoError &&
              error.code === 'not_found' &&
              error.id === 'greeter.chat' &&
              error.message === 'no more',
          );
          assert.deepEqual(seen, ['a-0', 'a-1']);
        });
      }

      it(`found ${found}: the end of its own items is not told, and leaving is`, async () => {
        for await (const { text } of greeter.chat([{ name: 'a', count: 1 }], options())) {
          assert.equal(text, 'a-0');
          // By the time that this is over the handler would have seen it.
          await greeter.slow({ delayMs: 200 });
          assert.deepEqual(go.left('ended'), []);
          break;
        }
        await go.event('ended', { by: 'caller' });
      });
    }

    it('that dies with the server: the caller sees unavailable', async () => {
      await using other = new GoPeer(version);
      const at = await other.ask<{ address: string }>({
        do: 'serve',
        service: 'mortal',
        version: '1',
        serverID: 'go',
      });
      const stream = service.client.stream(
        { service: 'mortal', endpoint: 'Greeter.Chat', contentType: 'application/json' },
        { address: at.address },
      );
      await stream.send({ name: 'a', count: 1 });
      assert.equal(text(await stream.receive()), 'a-0');
      await other.kill();
      await assert.rejects(
        stream.receive(),
        (error) => error instanceof OctavoError && error.code === 'unavailable',
      );
    });
  });
}

function text(item: unknown): string | undefined {
  return (item as Reply | undefined)?.text;
}

async function textsOf(items: AsyncIterable<Reply>): Promise<string[]> {
  const texts: string[] = [];
  for await (const item of items) texts.push(item.text);
  return texts;
}

/** How many calls and streams a service has in hand. */
function active(service: Octavo): number {
  return (service.server as unknown as { stats: { active: number } }).stats.active;
}
