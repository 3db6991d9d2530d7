import type { RabbitChannel, RabbitEnvelope } from '../../core/rabbitmq-channel.js';
import type { RabbitClient } from '../../core/rabbitmq.js';

/** A channel on which what is published is confirmed. It is opened with the first publish, and again when it has closed. */
export class Publisher {
  readonly #client: RabbitClient;
  readonly #setUp: (channel: RabbitChannel) => Promise<void>;
  #channel: Promise<RabbitChannel> | undefined;

  /** @param setUp declares what is published to */
  constructor(client: RabbitClient, setUp: (channel: RabbitChannel) => Promise<void>) {
    this.#client = client;
    this.#setUp = setUp;
  }

  /** Publishes, in order. Resolves when the server has it. The body belongs to the publisher from then on. */
  async send(purpose: string, envelope: RabbitEnvelope, body: Buffer): Promise<void> {
    for (let attempt = 1; ; attempt++)
      try {
        return await this.#publish(envelope, body);
      } catch (reason) {
        // Somebody has deleted what it goes to, and the server did not take it: a channel that is opened anew declares that.
        const deleted = reason instanceof Error && 'code' in reason && reason.code === 'NOT_FOUND';
        if (!deleted || attempt > 1) throw this.#client.failure(`cannot ${purpose}`, reason);
      }
  }

  async #publish(envelope: RabbitEnvelope, body: Buffer): Promise<void> {
    this.#client.check();
    const channel = await this.#open();
    // It may have come to need a while.
    this.#client.check();
    await channel.basicPublish(envelope, body);
  }

  /** Does something on the channel that publishes, for what may depend on it. */
  async prepare(purpose: string, run: (channel: RabbitChannel) => Promise<unknown>): Promise<void> {
    await this.#client.ask(purpose, run(await this.#open()));
  }

  /** Closes the channel; what is not confirmed then fails. */
  async stop(): Promise<void> {
    const channel = await this.#channel?.catch(() => undefined);
    this.#channel = undefined;
    if (channel !== undefined) await this.#client.close(channel);
  }

  #open(): Promise<RabbitChannel> {
    if (this.#channel !== undefined) return this.#channel;
    const forget = (): void => {
      if (this.#channel === opening) this.#channel = undefined;
    };
    const opening = this.#client.channel(
      'publish',
      async (channel) => {
        await this.#setUp(channel);
        await channel.confirmSelect();
      },
      forget,
    );
    this.#channel = opening;
    opening.catch(forget);
    return opening;
  }
}
