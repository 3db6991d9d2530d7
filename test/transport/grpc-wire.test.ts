import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { Metadata } from '../../src/core/metadata.js';
import { GrpcTransport } from '../../src/transport/grpc.js';
import { isPromise } from '../../src/core/lifecycle.js';
import { FRAME, Http2Peer } from '../support/http2-peer.js';
import { parts } from '../support/parts.js';

/** The bytes of `docs/wire.md`: a request and its reply. */
function golden(): Buffer[] {
  const [, text = ''] = /```grpc\n([^]*?)```/.exec(readFileSync('docs/wire.md', 'utf8')) ?? [];
  return text.split('\n\n').map((each) => Buffer.from(each.replaceAll(/\s/g, ''), 'hex'));
}

it('the bytes of docs/wire.md are those that a caller sends on the grpc transport', async () => {
  const [request] = golden();
  const heard = new Promise<Buffer>((resolve) => {
    void Http2Peer.listen((peer) => {
      void peer.hears(FRAME.settings).then(() => peer.settle());
      void peer.hears(FRAME.data, 1).then(({ payload }) => resolve(payload));
    }).then(async ({ address, server }) => {
      const transport = new GrpcTransport({}, parts());
      const socket = await transport.dial(address);
      await socket.send({
        header: new Metadata([
          ['Micro-Service', 'greeter'],
          ['Micro-Endpoint', 'Greeter.Hello'],
          ['Octavo', '1'],
          ['tag', 'a'],
          ['Tag', 'b'],
        ]),
        body: Buffer.from('0a03416461', 'hex'),
      });
      await heard;
      await transport.stop();
      server.close();
    });
  });
  assert.equal((await heard).toString('hex'), request?.toString('hex'));
});

for (const octavo of [true, false])
  it(`the bytes of docs/wire.md are those that a listener understands, ${octavo ? '' : 'not '}from an Octavo peer, and its reply`, async () => {
    const [request = Buffer.alloc(0), reply] = golden();
    const transport = new GrpcTransport({}, parts());
    const { address } = await transport.listen('127.0.0.1:0', (socket) => {
      const received = socket.receive();
      assert.ok(received !== undefined && !isPromise(received));
      assert.equal(received.header.get('Micro-Endpoint'), 'Greeter.Hello');
      assert.deepEqual(received.header.getAll('tag'), octavo ? ['a', 'b'] : ['a, b']);
      void socket.send({
        header: new Metadata({ Octavo: '1' }),
        body: Buffer.from('0a0948656c6c6f20416461', 'hex'),
      });
      socket.close();
    });
    const peer = await Http2Peer.open(address);
    peer.request(1, octavo ? { octavo: '1' } : {});
    peer.data(1, request);
    assert.equal((await peer.hears(FRAME.data, 1)).payload.toString('hex'), reply?.toString('hex'));
    peer.close();
    await transport.stop();
  });
