import type { Writer } from 'nsqjs';
import type { Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { quietly } from '../../core/quietly.js';
import { errorOf, RETRY_MS, type NsqClient } from './client.js';
import type { ClientParts } from './options.js';

/** What is published to one nsqd: one connection after the other, as the library makes none again. */
export class Link {
  readonly address: string;
  readonly #client: NsqClient;
  readonly #parts: ClientParts;
  readonly #timeoutMs: number;
  /** When each publish that is not confirmed was sent, in milliseconds since the epoch, oldest first. */
  readonly #sent = new Set<{ readonly at: number }>();
  #writer: Writer | undefined;
  #retry: Timer | undefined;
  #stopped = false;
  #told = false;
  /** What the last connection ended with. */
  #why: OctavoError | undefined;
  #waiting: (() => void)[] = [];

  /** @param timeoutMs how long the server may leave a publish without a word before it counts as dead */
  constructor(address: string, client: NsqClient, timeoutMs: number, parts: ClientParts) {
    this.address = address;
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    this.#parts = parts;
  }

  start(): void {
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#drop();
    this.#wake();
  }

  get up(): boolean {
    return this.#writer?.ready === true;
  }

  /** Why it is not up. */
  get fault(): OctavoError | undefined {
    return this.#why;
  }

  /** Resolves when it is up, or was tried in vain. */
  async tried(): Promise<void> {
    if (this.up || this.#stopped) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when the server has the event. */
  publish(topic: string, body: Buffer): Promise<void> {
    const writer = this.#writer;
    const { clock } = this.#parts;
    if (writer === undefined || !writer.ready)
      return Promise.reject(this.#why ?? errorOf(this.address, 'not connected', false));
    const sent = { at: clock.now() };
    const [oldest = sent] = this.#sent;
    if (sent.at - oldest.at > this.#timeoutMs) {
      // What is written to a server that does not read would pile up.
      this.#ended(writer, new Error(`it does not answer for ${this.#timeoutMs} ms`));
      return this.publish(topic, body);
    }
    this.#sent.add(sent);
    return new Promise((resolve, reject) => {
      writer.publish(topic, body, (error) => {
        this.#sent.delete(sent);
        if (error === null || error === undefined) resolve();
        else reject(errorOf(this.address, error));
      });
    });
  }

  #connect(): void {
    const writer = this.#client.writer(this.address);
    this.#writer = writer;
    writer.on('ready', () => {
      if (this.#told) this.#parts.logger.info('connected to nsqd again', { address: this.address });
      this.#told = false;
      this.#why = undefined;
      this.#wake();
    });
    writer.on('error', (error: Error) => this.#ended(writer, error));
    writer.on('closed', () => this.#ended(writer, undefined));
    writer.connect();
  }

  #ended(writer: Writer, cause: Error | undefined): void {
    if (writer !== this.#writer) return;
    this.#why = errorOf(this.address, cause, false);
    this.#drop();
    if (this.#stopped) return;
    if (!this.#told) {
      this.#told = true;
      const { address } = this;
      this.#parts.logger.warn('an nsqd cannot be published to', { address, error: this.#why });
    }
    this.#wake();
    this.#retry = this.#parts.clock.after(RETRY_MS, () => this.#connect(), { background: true });
  }

  #drop(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    this.#sent.clear();
    if (writer !== undefined) quietly(() => writer.close());
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
