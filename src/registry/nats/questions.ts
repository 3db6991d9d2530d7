import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '../../core/clock.js';
import type { OctavoError } from '../../core/error.js';
import type { NatsClient, NatsMessage } from '../../core/nats.js';
import { keyOf, readAnswer, writeQuestion, type Change, type Registered } from './packets.js';

/** While answers come as close together as this, more are waited for, in milliseconds; at most as long again as for the first ones. */
const QUIET_MS = 20;
/** How many nodes one question hears of, bytes of what it hears, and how many questions are open at once. */
const MOST_NODES = 100_000;
const MOST_BYTES = 128 * 1024 * 1024;
const MOST_QUESTIONS = 10_000;

interface Question {
  readonly nodes: Map<string, Registered>;
  readonly begin: number;
  heardAt: number;
  bytes: number;
  timer: Timer | undefined;
  readonly settle: (error?: OctavoError) => void;
}

export interface QuestionsInit {
  readonly client: NatsClient;
  readonly clock: Clock;
  readonly topic: string;
  readonly timeoutMs: number;
  /** After how many nodes no more are waited for. */
  readonly quorum: number;
  /** Told of all that answers. */
  readonly onHeard: (answer: Change) => void;
}

/** Questions to everybody who has nodes. Nobody knows how many there are, so answers are waited for. */
export class Questions {
  readonly #init: QuestionsInit;
  readonly #inbox = `_INBOX.${randomUUID().replaceAll('-', '')}`;
  readonly #open = new Map<number, Question>();
  #next = 1;

  constructor(init: QuestionsInit) {
    this.#init = init;
    init.client.subscribe(`${this.#inbox}.*`, (message) => this.#hear(message));
  }

  /** The nodes of a service, or all of them, as they answer within the time. Rejects with `unavailable` when the connection breaks. */
  ask(name: string | undefined): Promise<ReadonlyMap<string, Registered>> {
    const { client, clock, topic, timeoutMs } = this.#init;
    const number = this.#next++;
    return new Promise((resolve, reject) => {
      const nodes = new Map<string, Registered>();
      // Before anything is kept: without a connection it throws.
      client.publish(topic, writeQuestion(name), `${this.#inbox}.${number}`);
      const question: Question = {
        nodes,
        begin: clock.now(),
        heardAt: 0,
        bytes: 0,
        timer: undefined,
        settle: (error) => {
          question.timer?.cancel();
          this.#open.delete(number);
          if (error === undefined) resolve(nodes);
          else reject(error);
        },
      };
      question.timer = clock.after(timeoutMs, () => this.#expire(question));
      this.#open.set(number, question);
      if (this.#open.size > MOST_QUESTIONS) this.#open.values().next().value?.settle();
    });
  }

  /** No answer comes to those that are open. */
  end(error: OctavoError): void {
    for (const question of [...this.#open.values()]) question.settle(error);
  }

  #hear({ subject, data, refused }: NatsMessage): void {
    const question = this.#open.get(Number(subject.slice(this.#inbox.length + 1)));
    if (refused) return question?.settle();
    const answer = readAnswer(data);
    this.#init.onHeard(answer);
    if (question === undefined) return undefined;
    question.heardAt = this.#init.clock.now();
    question.bytes += answer.bytes;
    if (question.bytes > MOST_BYTES) return undefined;
    for (const node of answer.nodes)
      if (question.nodes.size < MOST_NODES) question.nodes.set(keyOf(node), node);
    if (question.nodes.size >= this.#init.quorum) question.settle();
    return undefined;
  }

  #expire(question: Question): void {
    const { clock, timeoutMs } = this.#init;
    const now = clock.now();
    const hurried = now - question.heardAt < QUIET_MS && now - question.begin < 2 * timeoutMs - QUIET_MS;
    if (!hurried) return question.settle();
    question.timer = clock.after(QUIET_MS, () => this.#expire(question));
    return undefined;
  }
}
