import { connect, type Socket } from 'node:net';
import { connect as connectSecurely, type ConnectionOptions } from 'node:tls';
import type { AbstractConnector, RedisOptions } from 'ioredis';

export interface RedisTarget {
  readonly host: string;
  readonly port: number;
  /** @defaultValue plain text */
  readonly tls?: ConnectionOptions;
}

/**
 * What opens and closes the library's socket. Its own listens for one error only, so that a second one, such as the other end's alert after
 * a handshake that failed, ends the process; and it waits for a server that hangs to say goodbye.
 *
 * @param base the library's own base class
 */
export function connectorTo(
  base: typeof AbstractConnector,
  { host, port, tls }: RedisTarget,
): NonNullable<RedisOptions['Connector']> {
  return class Connector extends base {
    #socket: Socket | undefined;

    constructor() {
      super(0);
    }

    override async connect(): Promise<Socket> {
      const socket = tls === undefined ? connect({ host, port }) : connectSecurely({ host, port, ...tls });
      socket.on('error', (error) => (this.firstError ??= error));
      this.#socket = socket;
      return socket;
    }

    override disconnect(): void {
      this.#socket?.destroy();
    }
  };
}
