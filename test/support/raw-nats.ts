import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';

/** A bare client of a NATS server, which says whatever a test wants, and keeps what it hears. */
export class RawNats {
  readonly #connection: NatsConnection;
  readonly #heard: Msg[] = [];
  #wake: (() => void) | undefined;

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  static async open(
    address: string,
    who: { readonly user?: string; readonly pass?: string } = {},
  ): Promise<RawNats> {
    return new RawNats(await connect({ servers: address, ...who }));
  }

  say(subject: string, data: string | Uint8Array, reply?: string): void {
    this.#connection.publish(subject, data, reply === undefined ? {} : { reply });
  }

  /** Hears what comes on a subject from now on, in order with what is said next, until the function is called that it gives. */
  hear(subject: string): () => void {
    const subscription = this.#connection.subscribe(subject, {
      callback: (_, message) => {
        this.#heard.push(message);
        this.#wake?.();
      },
    });
    return () => subscription.unsubscribe();
  }

  /** The next thing that was heard. */
  async next(): Promise<Msg> {
    for (;;) {
      const heard = this.#heard.shift();
      if (heard !== undefined) return heard;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Resolves when the server has all that was said. */
  async flush(): Promise<void> {
    await this.#connection.flush();
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}
