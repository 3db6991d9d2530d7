import type { Socket } from 'node:net';
import { Connection, type AsyncMessage, type Channel, type Envelope } from 'rabbitmq-client';

/** How deep the lists in {@link RawRabbit.poison} are nested. */
const DEPTH = 20_000;

/** A frame of AMQP. */
function frame(type: number, channel: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.of(0xce)]);
}

function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
}

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
    const connection = new Connection({
      hostname: '127.0.0.1',
      port,
      noDelay: true,
      frameMax: 128 * 1024,
    });
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

  /** Says something whose header nests lists so deep that the library breaks off when it comes. It has to be written by hand: the library cannot. */
  async poison(exchange: string, routingKey: string): Promise<void> {
    const lists = Buffer.alloc(5 * DEPTH);
    for (let level = 0; level < DEPTH; level++) {
      lists.write('A', 5 * level);
      lists.writeUInt32BE(5 * (DEPTH - 1 - level), 5 * level + 1);
    }
    const table = Buffer.concat([shortText('a'), lists]);
    const header = Buffer.alloc(18);
    header.writeUInt16BE(60, 0);
    header.writeBigUInt64BE(0n, 4);
    // Headers, and the mode of delivery.
    header.writeUInt16BE(0x3000, 12);
    header.writeUInt32BE(table.length, 14);
    const method = [
      Buffer.from('003c00280000', 'hex'),
      shortText(exchange),
      shortText(routingKey),
      Buffer.of(0),
    ];
    const { id } = this.#channel;
    // The library has no door for what it cannot write.
    const { _socket: socket } = this.#connection as unknown as { _socket: Socket };
    socket.write(frame(1, id, Buffer.concat(method)));
    socket.write(frame(2, id, Buffer.concat([header, table, Buffer.of(2)])));
    // The server answers in order.
    await this.#channel.basicQos({ prefetchCount: 0 });
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
