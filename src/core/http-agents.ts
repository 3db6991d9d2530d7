import { Agent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

/** How many requests are under way at once, beside those that wait; the others stand in line. */
const MOST_AT_ONCE = 20;
/** How many connections are kept that carry nothing: servers count those of all processes of a machine together. */
const MOST_IDLE = 2;

/** The connections: those for short questions, and those for answers that are long in coming. */
export class HttpAgents {
  readonly #short: Agent;
  readonly #long: Agent;
  readonly #secure: readonly [HttpsAgent, HttpsAgent] | undefined;

  constructor(tls: boolean) {
    const [short, long] = [
      { keepAlive: true, maxSockets: MOST_AT_ONCE, maxFreeSockets: MOST_IDLE },
      { keepAlive: true, maxFreeSockets: MOST_IDLE },
    ];
    this.#short = new Agent(short);
    this.#long = new Agent(long);
    // A session that is resumed would not be checked again.
    const secure = { maxCachedSessions: 0 };
    this.#secure = tls
      ? [new HttpsAgent({ ...short, ...secure }), new HttpsAgent({ ...long, ...secure })]
      : undefined;
  }

  of(tls: boolean, waits: boolean): Agent {
    if (tls && this.#secure !== undefined) return this.#secure[waits ? 1 : 0];
    return waits ? this.#long : this.#short;
  }

  close(): void {
    for (const agent of [this.#short, this.#long, ...(this.#secure ?? [])]) agent.destroy();
  }
}
