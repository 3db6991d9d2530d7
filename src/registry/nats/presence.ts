import type { Clock } from '../../core/clock.js';
import type { OctavoError } from '../../core/error.js';
import type { NatsClient, NatsMessage, NatsSubscription } from '../../core/nats.js';
import { isSubject } from '../../core/nats-subject.js';
import type { ServiceRecord } from '../registry.js';
import { OwnNodes } from './own-nodes.js';
import { keyOf, readQuestion, writeChange, writeServices, type Registered } from './packets.js';

/** Bytes of answers that may be on their way out; what is asked meanwhile is not answered. */
const MOST_ANSWERS = 16 * 1024 * 1024;

export interface PresenceInit {
  readonly client: NatsClient;
  readonly clock: Clock;
  readonly queryTopic: string;
  readonly watchTopic: string;
}

/** The nodes of this registry as others know of them: it tells everybody of changes, and answers who asks. */
export class Presence {
  readonly #init: PresenceInit;
  readonly #own: OwnNodes;
  /** Nodes that went, which nobody was told of yet. */
  readonly #unsaid = new Map<string, Registered>();
  #answering: NatsSubscription | undefined;
  #answers = 0;
  #forbidden: OctavoError | undefined;

  constructor(init: PresenceInit) {
    this.#init = init;
    this.#own = new OwnNodes(init.clock, (node) => {
      this.#unsaid.set(keyOf(node), node);
      this.#sayGoodbyes().catch(() => {});
    });
  }

  /** The nodes of a service, or all. */
  of(name: string | undefined): Iterable<Registered> {
    return this.#own.of(name);
  }

  /** Puts nodes there, or renews them. They are there, and told of later, also where it rejects with `unavailable`. */
  async put(nodes: readonly Registered[]): Promise<void> {
    const { client, queryTopic } = this.#init;
    const said = writeChange('create', nodes, client.maxPayload);
    for (const { length } of said) client.checkSize(length);
    const moved = nodes.flatMap((node) => {
      this.#unsaid.delete(keyOf(node));
      return this.#own.put(node) ?? [];
    });
    this.#answering ??= client.subscribe(queryTopic, (message) => this.#answer(message));
    // In this order: whoever knows the node by its new version does not lose it with the old one.
    await this.#tell([...said, ...writeChange('delete', moved, client.maxPayload)]);
  }

  /** Takes nodes away. They are gone, and told of later, also where it rejects with `unavailable`. */
  async remove(service: ServiceRecord): Promise<void> {
    for (const node of this.#own.remove(service)) this.#unsaid.set(keyOf(node), node);
    await this.#sayGoodbyes();
  }

  /** The connection is there again: tells of everything that others may not have heard. */
  async announce(): Promise<void> {
    await this.#tell(writeChange('create', this.#own.of(undefined), this.#init.client.maxPayload));
    await this.#sayGoodbyes();
  }

  /** Takes all away. */
  async leave(): Promise<void> {
    for (const node of this.#own.clear()) this.#unsaid.set(keyOf(node), node);
    try {
      await this.#sayGoodbyes();
    } finally {
      this.#unsaid.clear();
      this.#answering?.end();
      this.#answering = undefined;
    }
  }

  /** The server does not let us publish to a subject. */
  forbid(subject: string, error: OctavoError): void {
    if (subject === this.#init.watchTopic) this.#forbidden = error;
  }

  #answer({ data, reply }: NatsMessage): void {
    const { client } = this.#init;
    const question = readQuestion(data);
    if (question === undefined || !isSubject(reply) || this.#answers > MOST_ANSWERS) return;
    const answers = writeServices(this.#own.of(question.name), client.maxPayload);
    const bytes = answers.reduce((sum, { length }) => sum + length, 0);
    if (bytes === 0) return;
    for (const answer of answers) client.publish(reply, answer);
    this.#answers += bytes;
    void client
      .flush()
      .catch(() => {})
      .finally(() => (this.#answers -= bytes));
  }

  /** Tells everybody. Resolves when the server has it. */
  async #tell(said: readonly Buffer[]): Promise<void> {
    const { client, watchTopic } = this.#init;
    if (said.length === 0) return;
    this.#forbidden = undefined;
    for (const each of said) client.publish(watchTopic, each);
    await client.confirm();
    if (this.#forbidden !== undefined) throw this.#forbidden;
  }

  /** Tells everybody of the nodes that went. Those that nobody could be told of are told of later. */
  async #sayGoodbyes(): Promise<void> {
    const nodes = [...this.#unsaid];
    const gone = nodes.map(([, node]) => node);
    await this.#tell(writeChange('delete', gone, this.#init.client.maxPayload));
    for (const [key, node] of nodes) if (this.#unsaid.get(key) === node) this.#unsaid.delete(key);
    if (this.#own.size > 0) return;
    // Who asks is told at once that nobody answers.
    this.#answering?.end();
    this.#answering = undefined;
  }
}
