import assert from 'node:assert/strict';
import { OctavoError } from '../../../src/core/error.js';
import type { Transport } from '../../../src/transport/transport.js';
import type { Suite } from '../conform.js';
import { ANY, call, echo, message, text } from './talk.js';

/** The promises of transports whose sockets carry one message each way, and no more. */
export const streamlessSuite = {
  'it says that it carries no streams': (transport) => {
    assert.equal(transport.streams, false);
  },
  'dialling for a stream is refused, before anything is sent, with the transport’s name': async (
    transport,
  ) => {
    let accepted = 0;
    const listener = await transport.listen(ANY, (socket) => {
      accepted++;
      echo(socket);
    });
    await assert.rejects(
      async () => transport.dial(listener.address, { stream: true }),
      (reason) =>
        reason instanceof OctavoError &&
        reason.code === 'failed_precondition' &&
        reason.executed === false &&
        reason.message.includes(transport.name),
    );
    assert.equal(text(await call(transport, listener, message('a call'))), 'a call');
    assert.equal(accepted, 1);
  },
} satisfies Suite<Transport>;
