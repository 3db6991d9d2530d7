import type { Clock } from '../../core/clock.js';
import type { Heard } from './packets.js';

/** What is kept of the answers to one question. */
const MOST_ANSWERS = 10_000;
const MOST_BYTES = 32 * 1024 * 1024;

/** One question and what was answered so far. */
export interface Question {
  readonly askedAt: number;
  /** By node. */
  readonly heard: Map<string, Heard>;
  readonly listed: Set<string>;
}

interface Asked extends Question {
  readonly answered: Promise<void>;
  bytes: number;
}

/** The questions under way, by the name that is asked for. Who asks the same meanwhile gets the same answer. */
export class Questions {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #asked = new Map<string, Asked>();

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Asks by `send`, unless the same is being asked, and waits as long as answers may take. */
  async ask(name: string, send: () => void): Promise<Question> {
    const asked = this.#asked.get(name) ?? this.#begin(name, send);
    await asked.answered;
    return asked;
  }

  /** A node spoke of itself, as an answer or not. */
  heard(name: string, heard: Heard): void {
    const asked = this.#asked.get(name);
    if (asked === undefined) return;
    const { id } = heard.node;
    asked.bytes -= asked.heard.get(id)?.bytes ?? 0;
    asked.heard.delete(id);
    if (heard.goodbye || asked.heard.size >= MOST_ANSWERS || asked.bytes + heard.bytes > MOST_BYTES) return;
    asked.heard.set(id, heard);
    asked.bytes += heard.bytes;
  }

  listed(name: string, services: readonly string[]): void {
    const listed = this.#asked.get(name)?.listed;
    if (listed === undefined) return;
    for (const service of services) if (listed.size < MOST_ANSWERS) listed.add(service);
  }

  #begin(name: string, send: () => void): Asked {
    const answered = new Promise<void>((resolve) => {
      this.#clock.after(this.#timeoutMs, () => {
        this.#asked.delete(name);
        resolve();
      });
    });
    const asked: Asked = {
      askedAt: this.#clock.now(),
      heard: new Map(),
      listed: new Set(),
      answered,
      bytes: 0,
    };
    this.#asked.set(name, asked);
    send();
    return asked;
  }
}
