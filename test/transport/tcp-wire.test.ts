import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { Metadata } from '../../src/core/metadata.js';
import { MESSAGE_LIMITS } from '../../src/transport/transport.js';
import { TcpTransport } from '../../src/transport/tcp.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';
import { TcpPeer } from '../support/tcp-peer.js';

/** The bytes of `docs/wire.md`: the preface, three requests, a reply. */
function golden(): Buffer[] {
  const [, text = ''] = /```tcp\n([^]*?)```/.exec(readFileSync('docs/wire.md', 'utf8')) ?? [];
  return text.split('\n\n').map((each) => Buffer.from(each.replaceAll(/\s/g, ''), 'hex'));
}

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

it('the bytes of docs/wire.md are those that a caller sends', async () => {
  const [preface, ...requests] = golden();
  const sent = Buffer.concat([preface ?? Buffer.alloc(0), ...requests.slice(0, 3)]);
  const { address, server } = await TcpPeer.listen(({ socket }) => {
    let all = '';
    socket.on('data', (bytes: Buffer) => {
      all += bytes.toString('hex');
      if (all.length === 2 * sent.length) resolve(all);
    });
  });
  let resolve: (all: string) => void = () => {};
  const done = new Promise<string>((settle) => (resolve = settle));
  const transport = new TcpTransport({}, parts());
  for (let n = 0; n < 3; n++) {
    const socket = await transport.dial(address);
    const header = new Metadata({
      'Content-Type': 'application/protobuf',
      'Micro-Service': 'greeter',
      'Micro-Endpoint': 'Greeter.Hello',
      'Micro-Method': 'Greeter.Hello',
      'Micro-Id': String(n),
      Octavo: '1',
      Timeout: '5000000000',
    });
    await socket.send({ header, body: Buffer.from('0a03416461', 'hex') });
  }
  assert.equal(await done, sent.toString('hex'));
  await transport.stop();
  await new Promise((settle) => server.close(settle));
});

it('the bytes of docs/wire.md are those that a listener understands, and its reply', async () => {
  const [preface, first, second, third, reply] = golden();
  const transport = new TcpTransport({}, parts());
  assert.equal(MESSAGE_LIMITS.maxMessageBytes, preface?.readUInt32BE(16));
  const { address } = await transport.listen('127.0.0.1:0', (socket) => {
    const received = socket.receive();
    assert.ok(received !== undefined && !(received instanceof Promise));
    assert.equal(received.header.get('Micro-Endpoint'), 'Greeter.Hello');
    void socket.send({
      header: new Metadata({ 'Content-Type': 'application/protobuf', Octavo: '1' }),
      body: Buffer.from('0a0948656c6c6f20416461', 'hex'),
    });
    socket.close();
  });
  const raw = await Raw.open(address);
  raw.write(Buffer.concat([preface, first, second, third].map((each) => each ?? Buffer.alloc(0))));
  const [greeting, answer] = [preface, reply].map((each) => each?.toString('hex') ?? '');
  const numbered = (stream: number): string => `${answer?.slice(0, 14)}0${stream}${answer?.slice(16)}`;
  const all = `${greeting}${numbered(1)}${numbered(2)}${numbered(3)}`;
  assert.equal(hex(await raw.until((text) => hex(text).length >= all.length)), all);
  raw.close();
  await transport.stop();
});
