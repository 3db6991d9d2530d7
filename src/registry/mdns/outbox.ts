import type { RemoteInfo } from 'node:dgram';

/** How many packets leave in one turn of the event loop: more at once than a socket's buffer holds would be lost. */
const AT_ONCE = 32;
/** How many packets wait to leave. A question too many is one that was lost. */
const MOST = 10_000;

interface Letter {
  readonly bytes: Buffer;
  readonly to: RemoteInfo;
}

/** Answers on their way out, a few at a time. */
export class Outbox {
  readonly #send: (bytes: Buffer, to: RemoteInfo) => void;
  #waiting: Letter[] = [];
  #leaving = false;

  constructor(send: (bytes: Buffer, to: RemoteInfo) => void) {
    this.#send = send;
  }

  get full(): boolean {
    return this.#waiting.length >= MOST;
  }

  put(bytes: Buffer, to: RemoteInfo): void {
    if (this.full) return;
    this.#waiting.push({ bytes, to });
    if (this.#leaving) return;
    this.#leaving = true;
    queueMicrotask(() => this.#leave());
  }

  clear(): void {
    this.#waiting = [];
  }

  #leave(): void {
    for (const { bytes, to } of this.#waiting.splice(0, AT_ONCE)) this.#send(bytes, to);
    if (this.#waiting.length > 0) setImmediate(() => this.#leave());
    else this.#leaving = false;
  }
}
