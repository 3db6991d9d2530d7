import type { HeaderTable } from './rabbitmq-message.js';

// What is used of the library, in types of our own: whoever uses Octavo without the library compiles all the same.

/** Properties of an AMQP message, as the library names them. */
export interface RabbitProperties {
  readonly headers?: HeaderTable;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly correlationId?: string;
  readonly messageId?: string;
  readonly replyTo?: string;
  readonly expiration?: string;
  /** Whether a durable queue keeps it over a restart of the server. */
  readonly durable?: boolean;
  readonly timestamp?: number;
  readonly type?: string;
  readonly appId?: string;
}

/** Where a message is published to, and its properties. */
export interface RabbitEnvelope extends RabbitProperties {
  /** @defaultValue the one that leads to queues by their names */
  readonly exchange?: string;
  readonly routingKey: string;
  /** Whether it comes back where no queue takes it. */
  readonly mandatory?: boolean;
}

/** A message that came, or came back. */
export interface RabbitMessage extends RabbitProperties {
  readonly routingKey: string;
  /** Bytes; text or what is in JSON where its content type says that it is. */
  readonly body: unknown;
}

/** One that is to be acknowledged. */
export interface RabbitDelivery extends RabbitMessage {
  readonly deliveryTag: number;
}

export interface RabbitQueue {
  readonly queue: string;
  readonly durable?: boolean;
  readonly exclusive?: boolean;
  readonly autoDelete?: boolean;
  readonly arguments?: HeaderTable;
}

/** A channel of the library. */
export interface RabbitChannel {
  readonly active: boolean;
  on(name: 'error', listener: (error: Error) => void): unknown;
  on(name: 'basic.return', listener: (message: RabbitMessage) => void): unknown;
  once(name: 'close' | 'basic.cancel', listener: () => void): unknown;
  close(): Promise<void>;
  confirmSelect(): Promise<void>;
  exchangeDeclare(exchange: {
    readonly exchange: string;
    readonly type: string;
    readonly durable?: boolean;
  }): Promise<void>;
  exchangeBind(binding: {
    readonly source: string;
    readonly destination: string;
    readonly routingKey: string;
  }): Promise<void>;
  queueDeclare(queue: RabbitQueue): Promise<{ readonly queue: string }>;
  queueDelete(queue: { readonly queue: string }): Promise<unknown>;
  queueBind(binding: {
    readonly queue: string;
    readonly exchange: string;
    readonly routingKey: string;
  }): Promise<void>;
  basicQos(limits: { readonly prefetchCount: number }): Promise<void>;
  basicConsume(
    from: { readonly queue: string; readonly noAck?: boolean; readonly exclusive?: boolean },
    take: (message: RabbitDelivery) => void,
  ): Promise<{ readonly consumerTag: string }>;
  basicCancel(consumer: { readonly consumerTag: string }): Promise<unknown>;
  basicGet(from: { readonly queue: string; readonly noAck: boolean }): Promise<RabbitMessage | undefined>;
  /** Throws on a channel that has closed, as `basicNack` does. */
  basicAck(delivery: { readonly deliveryTag: number }): void;
  basicNack(delivery: { readonly deliveryTag: number; readonly requeue: boolean }): void;
  basicPublish(envelope: RabbitEnvelope, body: Buffer): Promise<void>;
}
