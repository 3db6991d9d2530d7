import { Connection, type AsyncMessage, type Channel, type Envelope } from 'rabbitmq-client';

/** A bare client of a RabbitMQ server, which says whatever a test wants, and keeps what it hears. */
export class RawRabbit {
  readonly #connection: Connection;
  readonly #channel: Channel;
  readonly #heard: AsyncMessage[] = [];
  #wake: (() => void) | undefined;

  private constructor(connection: Connection, channel: Channel) {
    this.#connection = connection;
    this.#channel = channel;
  }

  static async open(port: number): Promise<RawRabbit> {
    const connection = new Connection({ hostname: '127.0.0.1', port, noDelay: true });
    connection.on('error', () => {});
    const channel = await connection.acquire();
    await channel.confirmSelect();
    return new RawRabbit(connection, channel);
  }

  /** Says something to a queue, and waits until the server has it. */
  async say(queue: string, body: string | Uint8Array, properties: Envelope = {}): Promise<void> {
    await this.#channel.basicPublish({ ...properties, routingKey: queue }, Buffer.from(body));
  }

  /** Says it the way go-micro's clients do, through their exchange. */
  async sayAsGo(queue: string, body: string | Uint8Array, properties: Envelope = {}): Promise<void> {
    await this.#channel.basicPublish(
      { ...properties, exchange: 'micro', routingKey: queue },
      Buffer.from(body),
    );
  }

  /** Hears what comes to a queue from now on, as a go-micro server declares it. */
  async hear(queue: string): Promise<void> {
    await this.#channel.queueDeclare({ queue, autoDelete: true });
    await this.#channel.exchangeDeclare({ exchange: 'micro', type: 'topic' });
    await this.#channel.queueBind({ exchange: 'micro', queue, routingKey: queue });
    await this.#channel.basicConsume({ queue, noAck: true }, (message) => {
      this.#heard.push(message);
      this.#wake?.();
    });
  }

  /** The next thing that was heard. */
  async next(): Promise<AsyncMessage> {
    for (;;) {
      const heard = this.#heard.shift();
      if (heard !== undefined) return heard;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async close(): Promise<void> {
    if (this.#channel.active) await this.#channel.close();
    await this.#connection.close();
  }
}
