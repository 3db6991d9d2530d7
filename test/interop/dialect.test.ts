import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { writeError } from '../../src/core/wire-error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { GreeterClient } from '../../samples/greeter/contract.js';
import { GreeterServer } from '../../samples/greeter/greeter.js';
import { messagesIn } from '../support/capture.js';
import { Raw } from '../support/raw.js';

/** The examples of `docs/wire.md`, in order. */
const examples = [...readFileSync('docs/wire.md', 'utf8').matchAll(/```(http|json)\n([^]*?)```/g)].map(
  ([, kind, text = '']) => ({ kind, text }),
);
const [request = '', reply = ''] = examples
  .filter(({ kind }) => kind === 'http')
  .map(({ text }) => text.replaceAll('\n', '\r\n'));
const [towardsOctavo = '', towardsOthers = ''] = examples
  .filter(({ kind }) => kind === 'json')
  .map(({ text }) => JSON.stringify(JSON.parse(text)));

const STACK = { registry: memoryRegistry(), broker: memoryBroker(), logger: () => new TestLogger(), env: {} };

/** The header of an example, and the body that belongs to it, which the page leaves out. */
function whole(example: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${example}\r\n`), body]);
}

describe('the dialect, as docs/wire.md shows it', () => {
  it('has the bytes of a unary call', async () => {
    let resolve: (text: string) => void = () => {};
    const sent = new Promise<string>((settle) => (resolve = settle));
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => {
        resolve(bytes.toString('latin1'));
        socket.destroy();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A TCP server that listens has an address with a port.
    const { port } = server.address() as AddressInfo;
    // On a clock that stands still, what is left of the deadline is all of it.
    const clock = new VirtualClock();
    const caller = createService({ ...STACK, clock: () => clock, client: rpc({ retries: 0 }) });
    await caller.start();
    await assert.rejects(
      caller.resolve(GreeterClient).hello({ name: 'Ada' }, { address: `127.0.0.1:${port}` }),
      (error) => error instanceof OctavoError && error.code === 'unavailable',
    );
    const expected = whole(request, Buffer.from('0a03416461', 'hex')).toString('latin1');
    assert.equal((await sent).replace(/Host: \S+/, ''), expected.replace(/Host: \S+/, ''));
    await caller.stop();
    server.close();
  });

  it('has the bytes of its reply', async () => {
    const greeter = createService({ ...STACK, services: [GreeterServer] });
    await greeter.start();
    const raw = await Raw.open(greeter.server.node?.address ?? '');
    raw.write(whole(request, Buffer.from('0a03416461', 'hex')));
    const text = await raw.until((all) => messagesIn(Buffer.from(all, 'latin1')).length === 1);
    raw.close();
    await greeter.stop();
    assert.equal(text, whole(reply, Buffer.from('\n\tHello Ada')).toString('latin1'));
  });

  it('has the text of an error, towards Octavo peers and others', () => {
    const error = new OctavoError('not_found', 'nobody is called Nobody');
    assert.equal(writeError(error, 'greeter', true), towardsOctavo);
    assert.equal(writeError(error, 'greeter', false), towardsOthers);
  });
});
