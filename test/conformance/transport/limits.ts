import assert from 'node:assert/strict';
import type { Message } from '../../../src/core/message.js';
import { MESSAGE_LIMITS, type Transport } from '../../../src/transport/transport.js';
import type { Suite } from '../conform.js';
import { ANY, answering, call, echo, fails, message, text } from './talk.js';

/** Messages that are over one limit each of a transport. */
function excesses({ options }: Transport): readonly Message[] {
  const { maxMessageBytes, maxHeaders, maxHeaderBytes } = { ...MESSAGE_LIMITS, ...options };
  const many = Array.from({ length: maxHeaders + 1 }, (_, n) => [`Name-${n}`, 'x'] as const);
  return [
    message(Buffer.alloc(maxMessageBytes + 1)),
    message('x', many),
    message('x', { Foo: 'x'.repeat(maxHeaderBytes) }),
  ];
}

/** The promises about the size of messages. */
export const limitSuite = {
  'a message at the limit arrives, either way': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    const most = Buffer.alloc(transport.options.maxMessageBytes ?? MESSAGE_LIMITS.maxMessageBytes, 1);
    assert.equal((await call(transport, listener, message(most)))?.body.length, most.length);
  },
  'a message over a limit is refused to its sender, whose socket lives on': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    for (const excess of excesses(transport)) {
      const socket = await transport.dial(listener.address);
      await fails(() => socket.send(excess), 'resource_exhausted');
      await socket.send(message('lives on'));
      assert.equal(text(await socket.receive()), 'lives on');
      socket.close();
    }
  },
  'a reply over a limit is refused to its sender, whose socket lives on': async (transport) => {
    const listener = await transport.listen(
      ANY,
      answering(async (socket) => {
        await socket.receive();
        for (const excess of excesses(transport))
          await fails(() => socket.send(excess), 'resource_exhausted');
        await socket.send(message('lives on'));
        socket.close();
      }),
    );
    assert.equal(text(await call(transport, listener, message('x'))), 'lives on');
  },
} satisfies Suite<Transport>;
