import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { bytes } from '../../../src/codec/bytes.js';
import { grpc } from '../../../src/codec/grpc.js';
import { json } from '../../../src/codec/json.js';
import { jsonrpc } from '../../../src/codec/jsonrpc.js';
import { protobuf } from '../../../src/codec/protobuf.js';
import { protorpc } from '../../../src/codec/protorpc.js';
import { OctavoError } from '../../../src/core/error.js';
import { ClientOf, Field, Handler, Message, Service } from '../../../src/index.js';
import { memory } from '../../../src/registry/memory.js';
import { GoError, GoPeer, VERSIONS } from './go-peer.js';
import { GreeterClient } from './greeter.js';
import { GreeterServer, octavo, serving, until, type Octavo } from './octavo.js';

/** What Go's encoding/json takes. Names of two words it does not, as ProtoJSON writes them in another way. */
const PLAIN = { int64: 'number', enums: 'number' } as const;
const CODECS = [
  protobuf(),
  json(PLAIN),
  jsonrpc(PLAIN),
  protorpc(),
  grpc(),
  grpc({ format: 'json', ...PLAIN }),
  bytes(),
];
/** The codecs of go-micro's core beside protobuf and JSON. */
const TYPES = [
  'application/json-rpc',
  'application/proto-rpc',
  'application/grpc',
  'application/grpc+proto',
  'application/grpc+json',
];

@Message('raw.Frame')
class Frame {
  @Field(1, 'bytes') data: Uint8Array = new Uint8Array(0);
}

/** What the Go peers have too: bytes in, bytes out. */
@Service({ name: 'greeter', version: '1' })
class Raw {
  @Handler(Frame, Frame)
  async echo({ data }: Frame): Promise<Frame> {
    return { data: Buffer.concat([Buffer.from('echo:'), data]) };
  }
}
class RawClient extends ClientOf(Raw) {}

const OCTETS = 'application/octet-stream';
const SOME = Buffer.from([0, 1, 255, 10, 0x7b]);

for (const version of VERSIONS) {
  describe(`a go-micro ${version} client calls Octavo with another codec`, () => {
    let go: GoPeer;
    let service: Octavo;
    before(async () => {
      go = new GoPeer(version);
      service = await serving({ codecs: CODECS, services: [GreeterServer, Raw] });
    });
    after(async () => {
      await go[Symbol.asyncDispose]();
      await service.stop();
    });

    const call = <T>(endpoint: string, more: Readonly<Record<string, unknown>>): Promise<T> =>
      go.ask({ do: 'call', service: 'greeter', endpoint, ...more });

    for (const contentType of TYPES) {
      it(`${contentType}, twenty times over one connection`, async () => {
        const request = { name: 'Jörg', mood: 1 };
        const replies = await call<{ text: string }[]>('Greeter.Hello', { contentType, request, times: 20 });
        assert.deepEqual(new Set(replies.map(({ text }) => text)), new Set(['Hello Jörg']));
      });

      it(`${contentType}, and gets errors with id, code and detail`, async () => {
        for (const [name, code, detail] of [
          ['bad', 400, 'bad <bad> é'],
          ['missing', 404, 'no such thing'],
        ] as const)
          await assert.rejects(call('Greeter.Fail', { contentType, request: { name } }), (error) => {
            assert.ok(error instanceof GoError, String(error));
            assert.deepEqual([error.id, error.code, error.message], ['greeter.fail', code, detail]);
            return true;
          });
        await assert.rejects(
          call('Greeter.Nothing', { contentType, request: {} }),
          (error) => error instanceof GoError && error.code === 501,
        );
      });
    }

    for (const contentType of TYPES)
      it(`${contentType}, on a stream: items both ways, and an error behind them`, async () => {
        const endpoint = 'Greeter.Chat';
        const send = (name: string, count = 0): Promise<unknown> =>
          go.ask({ do: 'send', endpoint, request: { name, count } });
        const receive = async (): Promise<string> =>
          (await go.ask<{ text: string }>({ do: 'receive', endpoint })).text;
        await go.ask({ do: 'open', service: 'greeter', endpoint, contentType });
        await send('a', 2);
        assert.deepEqual([await receive(), await receive()], ['a-0', 'a-1']);
        await send('b', 1);
        assert.equal(await receive(), 'b-0');
        await send('fail');
        await assert.rejects(receive(), (error) => error instanceof GoError && error.code === 404);
        await go.ask({ do: 'close', endpoint });
        await go.ask({ do: 'open', service: 'greeter', endpoint, contentType });
        await send('end');
        await assert.rejects(receive(), (error) => error instanceof GoError && error.message === 'EOF');
        await go.ask({ do: 'close', endpoint });
      });

    it(`${OCTETS}, whose bytes are left as they are`, async () => {
      const reply = await call<{ Data: string }>('Raw.Echo', {
        contentType: OCTETS,
        request: { Data: SOME.toString('base64') },
      });
      assert.deepEqual(Buffer.from(reply.Data, 'base64'), Buffer.concat([Buffer.from('echo:'), SOME]));
    });
  });

  describe(`a go-micro ${version} client calls an Octavo node that does not say what it speaks`, () => {
    let go: GoPeer;
    let service: Octavo;
    before(async () => {
      go = new GoPeer(version);
      service = await serving({ registry: memory() });
      const address = service.server.node?.address;
      const record = { name: 'greeter', version: '1', node: 'greeter-old', address, metadata: { of: 'old' } };
      await go.ask({ do: 'register', record });
      await until(async () => (await go.ask<unknown[]>({ do: 'get', service: 'greeter' })).length === 1);
    });
    after(async () => {
      await go[Symbol.asyncDispose]();
      await service.stop();
    });

    for (const contentType of ['application/json', 'application/protobuf'])
      it(`in its old protocol, of ${contentType}`, async () => {
        const ask = (endpoint: string, name: string): Promise<{ text: string }> =>
          go.ask({ do: 'call', service: 'greeter', endpoint, contentType, request: { name } });
        assert.equal((await ask('Greeter.Hello', 'J')).text, 'Hello J');
        await assert.rejects(ask('Greeter.Fail', 'missing'), (error) => {
          assert.ok(error instanceof GoError, String(error));
          assert.deepEqual([error.id, error.code, error.message], ['greeter.fail', 404, 'no such thing']);
          return true;
        });
      });
  });

  describe(`Octavo calls a go-micro ${version} server with another codec`, () => {
    let go: GoPeer;
    let client: Octavo;
    before(async () => {
      go = new GoPeer(version);
      await go.ask({ do: 'serve', service: 'greeter', version: '1', serverID: 'go' });
      client = await octavo({ codecs: CODECS });
    });
    after(async () => {
      await client.stop();
      await go[Symbol.asyncDispose]();
    });

    for (const contentType of TYPES) {
      it(`${contentType}`, async () => {
        const greeter = client.resolve(GreeterClient);
        for (let at = 0; at < 5; at++) {
          const { text } = await greeter.hello({ name: 'Jörg' }, { contentType });
          assert.equal(text, 'Hello Jörg');
        }
      });

      it(`${contentType}, and gets errors with id, code and detail`, async () => {
        await assert.rejects(
          client.resolve(GreeterClient).fail({ name: 'missing' }, { contentType }),
          (error) => {
            assert.ok(error instanceof OctavoError);
            assert.deepEqual(
              [error.code, error.id, error.message],
              ['not_found', 'greeter.fail', 'no such thing'],
            );
            return true;
          },
        );
      });
    }

    for (const contentType of TYPES)
      it(`${contentType}, on a stream: items both ways, and an error behind them`, async () => {
        const greeter = client.resolve(GreeterClient);
        const seen: string[] = [];
        const chat = async (...requests: readonly { name: string; count?: number }[]): Promise<void> => {
          for await (const { text } of greeter.chat(requests, { contentType })) seen.push(text);
        };
        await chat({ name: 'a', count: 2 }, { name: 'b', count: 1 }, { name: 'end' });
        assert.deepEqual(seen.splice(0), ['a-0', 'a-1', 'b-0']);
        await assert.rejects(
          chat({ name: 'c', count: 1 }, { name: 'fail' }),
          (error) =>
            error instanceof OctavoError && error.code === 'not_found' && error.message === 'no more',
        );
        assert.deepEqual(seen, ['c-0']);
      });

    it(`${OCTETS}, whose bytes are left as they are`, async () => {
      const { data } = await client.resolve(RawClient).echo({ data: SOME }, { contentType: OCTETS });
      assert.deepEqual(Buffer.from(data), Buffer.concat([Buffer.from('echo:'), SOME]));
    });
  });
}
