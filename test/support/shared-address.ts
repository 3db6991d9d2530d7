import assert from 'node:assert/strict';
import { OctavoError } from '../../src/core/error.js';
import type { Transport } from '../../src/transport/transport.js';
import { answering, call, item, message, text } from '../conformance/transport/talk.js';

/** A server at a shared address, that answers with its name. */
async function serve(transport: Transport, name: string): Promise<{ close(): Promise<void> }> {
  return transport.listen(
    'shared',
    answering(async (socket) => {
      for (let got = await socket.receive(); got !== undefined; got = await socket.receive()) {
        await socket.send(got.header.has('Micro-Stream') ? item(name) : message(name));
        if (!got.header.has('Micro-Stream')) break;
      }
      socket.close();
    }),
  );
}

/** Several servers at one address are a queue group: all get calls, also one that comes later, and none when it has left. */
export async function holdsForSharedAddresses(make: () => Promise<Transport>): Promise<void> {
  const [one, two, three, caller] = [await make(), await make(), await make(), await make()];
  const left = await serve(one, 'one');
  await serve(two, 'two');
  const address = { address: 'shared', close: async () => {} };
  // As a client does: what crosses the end of a listener has reached nobody, and goes out again.
  const ask = async (again = true): Promise<string> => {
    try {
      return text(await call(caller, address, message('who?'))) ?? '';
    } catch (reason) {
      if (!again || OctavoError.from(reason).executed !== false) throw reason;
      return ask(false);
    }
  };
  const hearsOf = async (names: string): Promise<void> => {
    const heard = new Set<string>();
    for (let n = 0; n < 500 && [...heard].sort().join() !== names; n++) {
      heard.add(await ask());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal([...heard].sort().join(), names);
  };
  await hearsOf('one,two');
  const stream = await caller.dial('shared', { stream: true });
  await stream.send(item('first'));
  const name = text(await stream.receive());
  for (let n = 0; n < 10; n++) {
    await stream.send(item('more'));
    assert.equal(text(await stream.receive()), name, 'a stream stays where it began');
  }
  stream.close();
  await left.close();
  for (let n = 0; n < 20; n++) assert.equal(await ask(), 'two');
  await serve(three, 'three');
  await hearsOf('three,two');
}
