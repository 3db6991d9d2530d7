import type { Connection } from 'nsqjs';

/** Bytes that may wait for the end of a frame: more than any message that a server takes by default. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * Has a connection of the library end with an error for what it cannot read: it would throw out of the socket's event, which ends the process,
 * and put together frames of any length.
 */
export function guard(connection: Connection): void {
  const receive = connection.receiveData.bind(connection);
  connection.receiveData = (bytes) => {
    try {
      receive(bytes);
      if ((connection.frameBuffer.buffer?.length ?? 0) > MOST_BYTES)
        throw new Error(`a frame of over ${MOST_BYTES} bytes`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      connection.statemachine.goto('ERROR', new Error(`it does not speak NSQ: ${why}`));
    }
  };
}
