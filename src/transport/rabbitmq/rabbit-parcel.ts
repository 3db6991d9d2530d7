import { Metadata } from '../../core/metadata.js';
import type { Message } from '../../core/message.js';
import type { RabbitMessage } from '../../core/rabbitmq-channel.js';
import { bytesOf, readTable } from '../../core/rabbitmq-message.js';
import type { Parcel } from '../bus/bus.js';
import { appendChecked } from '../bus/header.js';

/**
 * Where something goes on RabbitMQ: a queue, and behind a space what its owner knows it by, if anything.
 *
 * That is AMQP's correlation id, by which go-micro's rabbitmq transport tells its sockets apart.
 */
export interface Place {
  readonly queue: string;
  readonly id: string | undefined;
}

const FORM = /^[^\s*#]{1,240}(?: [^\s]{1,128})?$/;

export function isPlace(text: string): boolean {
  return FORM.test(text) && Buffer.byteLength(text) <= 255;
}

export function placeOf(text: string): Place {
  const space = text.indexOf(' ');
  return space < 0
    ? { queue: text, id: undefined }
    : { queue: text.slice(0, space), id: text.slice(space + 1) };
}

/** What came to a queue, or came back because there is none. */
export class RabbitParcel implements Parcel {
  readonly reply: string;
  readonly data: Uint8Array;
  readonly refused: boolean;
  readonly #came: RabbitMessage;

  constructor(came: RabbitMessage, refused: boolean) {
    // Octavo says where an answer goes in an id of its own, as the correlation says whom it is for.
    const { replyTo, messageId, correlationId } = came;
    const id = messageId ?? correlationId;
    this.reply = replyTo === undefined || refused ? '' : id === undefined ? replyTo : `${replyTo} ${id}`;
    this.data = bytesOf(came.body);
    this.refused = refused;
    this.#came = came;
  }

  message(): Message {
    const header = new Metadata();
    for (const [name, value] of readTable(this.#came.headers)) appendChecked(header, name, value);
    return { header, body: this.data };
  }
}
