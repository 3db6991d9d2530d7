import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Broker } from '../../../src/broker/broker.js';
import { OctavoError } from '../../../src/core/error.js';
import { Metadata } from '../../../src/core/metadata.js';
import { Child } from '../../support/child.js';

export interface ChaosInit {
  /** The publisher's broker, not started. */
  readonly broker: Broker;
  /** The server under it: `kill` is SIGKILL, and `restart` resolves when its port is open. */
  readonly server: { kill(): Promise<void>; restart(): Promise<void> };
  /** The module of a consumer, under `dist/test`: it calls `consume` of `chaos-consumer.ts`. */
  readonly consumer: string;
  /** What the module's `make` is given. */
  readonly addresses: readonly string[];
  /** @defaultValue `10_000` */
  readonly messages?: number;
  /** How many publishes are under way at once. @defaultValue `32` */
  readonly inFlight?: number;
  /** For how long the server is down, in milliseconds. @defaultValue `1_000` */
  readonly downMs?: number;
  /** How long after the last publish everything must be there; and after how much silence what did not come is lost, in milliseconds. @defaultValue `20_000` and `5_000` */
  readonly patienceMs?: number;
  readonly silenceMs?: number;
}

/** What came of it. */
export interface ChaosReport {
  readonly sent: number;
  readonly lost: number;
  /** How many deliveries there were beyond the first of each event. */
  readonly doubled: number;
  /** How often a publish was tried again. */
  readonly retried: number;
  /** From the open port of the restarted server to the first event handled after it, in milliseconds; `undefined` where none was. */
  readonly firstAfterMs: number | undefined;
  /** What all of it took, in milliseconds. */
  readonly tookMs: number;
}

/**
 * Publishes many events, each again until it is confirmed, while the server is killed and restarted at a third of them and a consumer
 * process is killed and replaced at two thirds. Asserts that none is lost where the broker promises that.
 */
export async function chaos(t: TestContext, init: ChaosInit): Promise<ChaosReport> {
  const { broker } = init;
  const run = new Chaos(init);
  try {
    await broker.start();
    const report = await run.run();
    t.diagnostic(`${broker.name}: ${JSON.stringify(report)}`);
    if (broker.guarantees.delivery === 'at-least-once')
      assert.equal(report.lost, 0, `lost were ${run.lost().slice(0, 100).join(', ')}; ${run.history}`);
    assert.ok(report.lost < report.sent, 'nothing came at all');
    return report;
  } finally {
    await run.end();
    await broker.stop();
  }
}

class Chaos {
  readonly #init: Required<ChaosInit>;
  readonly #topic = `chaos-${randomUUID().slice(0, 8)}`;
  readonly #consumers: Child[] = [];
  readonly #times = new Map<number, number>();
  #confirmed = 0;
  #retried = 0;
  #openedAt = Infinity;
  #firstAfter = Infinity;
  #lastAt = 0;
  readonly #killed: string[] = [];
  /** Told at each confirmation. */
  readonly #marks: { readonly at: number; readonly reached: () => void }[] = [];

  constructor(init: ChaosInit) {
    const defaults = {
      messages: 10_000,
      inFlight: 32,
      downMs: 1_000,
      patienceMs: 20_000,
      silenceMs: 5_000,
    };
    this.#init = { ...defaults, ...init };
  }

  async run(): Promise<ChaosReport> {
    const { messages, broker } = this.#init;
    const begin = performance.now();
    const first = await this.#consumer();
    // Where there are no queues, each consumer would get everything.
    if (broker.guarantees.queues) await this.#consumer();
    const serverKilled = this.#reached(messages / 3).then(() => this.#killServer());
    const consumerKilled = this.#reached((messages * 2) / 3).then(() => this.#replace(first));
    await Promise.all([this.#publishAll(), serverKilled, consumerKilled]);
    await this.#settled();
    const deliveries = [...this.#times.values()].reduce((sum, count) => sum + count, 0);
    return {
      sent: messages,
      lost: messages - this.#times.size,
      doubled: deliveries - this.#times.size,
      retried: this.#retried,
      firstAfterMs: this.#firstAfter === Infinity ? undefined : Math.round(this.#firstAfter - this.#openedAt),
      tookMs: Math.round(performance.now() - begin),
    };
  }

  /** Which never came. */
  lost(): number[] {
    return Array.from({ length: this.#init.messages }, (_, n) => n).filter((n) => !this.#times.has(n));
  }

  /** How many were confirmed when the server was killed, and when the consumer was. */
  get history(): string {
    return this.#killed.join(', ');
  }

  async end(): Promise<void> {
    await Promise.all(this.#consumers.map((each) => each.end('SIGKILL')));
  }

  async #consumer(): Promise<Child> {
    const { consumer, addresses } = this.#init;
    const child = Child.start(consumer, [this.#topic, 'chaos', ...addresses]);
    this.#consumers.push(child);
    child.on<number>('handled', (n) => this.#handled(n));
    await child.next('subscribed');
    return child;
  }

  #handled(n: number): void {
    this.#times.set(n, (this.#times.get(n) ?? 0) + 1);
    this.#lastAt = performance.now();
    if (this.#firstAfter === Infinity && this.#openedAt !== Infinity) this.#firstAfter = this.#lastAt;
  }

  async #publishAll(): Promise<void> {
    const { messages, inFlight } = this.#init;
    let next = 0;
    const publisher = async (): Promise<void> => {
      while (next < messages) {
        await this.#publish(next++);
        this.#confirmed++;
        for (const { at, reached } of this.#marks) if (this.#confirmed >= at) reached();
      }
    };
    await Promise.all(Array.from({ length: inFlight }, publisher));
  }

  async #publish(n: number): Promise<void> {
    const { broker } = this.#init;
    const header = new Metadata({ 'Content-Type': 'text/plain', 'Micro-Id': String(n) });
    for (;;)
      try {
        return await broker.publish(this.#topic, { header, body: Buffer.from(String(n)) });
      } catch (reason) {
        const code = reason instanceof OctavoError ? reason.code : String(reason);
        assert.ok(['unavailable', 'deadline_exceeded'].includes(code), `a publish failed with ${code}`);
        this.#retried++;
        await wait(20);
      }
  }

  #reached(at: number): Promise<void> {
    return new Promise((reached) => this.#marks.push({ at, reached }));
  }

  async #killServer(): Promise<void> {
    const { server, downMs } = this.#init;
    this.#killed.push(`the server was killed at ${this.#confirmed}`);
    await server.kill();
    await wait(downMs);
    await server.restart();
    this.#openedAt = performance.now();
  }

  async #replace(consumer: Child): Promise<void> {
    this.#killed.push(`the consumer was killed at ${this.#confirmed}`);
    await consumer.end('SIGKILL');
    await this.#consumer();
  }

  /** Waits until everything is there; or, where something may be lost, until nothing came for a while. */
  async #settled(): Promise<void> {
    const { messages, patienceMs, silenceMs, broker } = this.#init;
    const sure = broker.guarantees.delivery === 'at-least-once';
    const until = performance.now() + patienceMs;
    while (performance.now() < until) {
      const silentMs = performance.now() - this.#lastAt;
      // A little longer than until the last one, as some may come twice.
      if (this.#times.size === messages && silentMs > 500) return;
      if (!sure && silentMs > silenceMs) return;
      await wait(50);
    }
  }
}
