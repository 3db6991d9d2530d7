import type {
  ClusterMetadata,
  ClusterTopicMetadata,
  Consumer,
  GroupAssignment,
  Message,
  MessagesStream,
} from '@platformatic/kafka';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import type { KafkaClient } from './client.js';
import { Window } from './window.js';

export type Record = Message<Buffer, Buffer, Buffer, Buffer>;

export interface MemberInit {
  readonly topic: string;
  readonly group: string;
  /** What stays the same when one member takes the place of another. */
  readonly instance: string;
  readonly maxBytes: number;
  /** Whether what was published before is not for this group, where it is new. */
  readonly begins: boolean;
}

const EARLIEST = -2n;
const LATEST = -1n;

/**
 * A member of a consumer group, as long as it lives: it ends with the first thing that goes wrong, and another takes its place.
 *
 * Where the group stands is committed for every partition before the first event is taken: a partition that changes hands begins where it
 * was left, and never at what happens to be the end by then.
 */
export class Member {
  readonly #init: MemberInit;
  readonly #client: KafkaClient;
  readonly #logger: Logger;
  readonly #consumer: Consumer;
  readonly #windows = new Map<number, Window>();
  /** Those that the server knows about where the group stands in them. */
  readonly #settled = new Set<number>();
  #owned = new Set<number>();
  #generation = 0;
  /** How many the topic has. */
  #partitions = 0;
  #stream: MessagesStream<Buffer, Buffer, Buffer, Buffer> | undefined;
  #failed: unknown;
  #committing: Promise<void> | undefined;
  #over = false;
  #end = (): void => {};
  /** Resolves when it has come to its end. */
  readonly ended = new Promise<void>((resolve) => {
    this.#end = () => {
      this.#over = true;
      resolve();
    };
  });

  constructor(init: MemberInit, client: KafkaClient, logger: Logger) {
    this.#init = init;
    this.#client = client;
    this.#logger = logger;
    this.#consumer = client.consumer(init.group, init.instance, init.maxBytes, () => ({
      generation: this.#generation,
      partitions: [...this.#owned],
    }));
    const consumer = this.#consumer;
    consumer.on('consumer:group:join', ({ assignments, generationId }) => {
      this.#generation = generationId ?? 0;
      this.#assign(assignments ?? []);
    });
    // After one that failed for another reason than a change in the group, the library sends no further heartbeat.
    consumer.on('consumer:heartbeat:error', ({ error }) => this.#fail(error));
    consumer.on('error', (error: unknown) => this.#fail(error));
    // The library asks every few seconds, and does nothing with what it hears.
    consumer.on('client:metadata', ({ topics }: ClusterMetadata) => this.#count(topics.get(init.topic)));
  }

  /** Whether it has come to its end. */
  get over(): boolean {
    return this.#over;
  }

  /** How many offsets are taken that the server does not know of as dealt with. */
  get span(): number {
    return Math.max(0, ...[...this.#windows.values()].map(({ span }) => span));
  }

  /** Joins the group. */
  async join(): Promise<void> {
    const { topic } = this.#init;
    this.#consumer.topics.track(topic);
    await this.#consumer.joinGroup({});
    await this.#settle();
    this.#stream = await this.#consumer.consume({
      topics: [topic],
      mode: 'committed',
      fallbackMode: 'earliest',
    });
    // Whoever reads it is told; an error that nobody listens to ends the process.
    this.#stream.on('error', (error) => this.#fail(error));
  }

  /** What comes, until something goes wrong, which it throws, or {@link close}. */
  async *records(): AsyncIterable<Record> {
    const stream = this.#stream;
    if (stream === undefined) throw new Error('nobody has joined');
    for await (const record of stream) {
      if (this.#failed !== undefined) break;
      if (this.#take(record)) yield record;
    }
    if (this.#failed !== undefined) throw this.#failed;
  }

  /** An event is dealt with. */
  done({ partition, offset }: Record): void {
    this.#windows.get(partition)?.done(offset);
  }

  /** Whether an event is still this member's. */
  owns({ partition }: Record): boolean {
    return this.#owned.has(partition);
  }

  /** Tells the server how far everything is dealt with. What cannot be told comes again. */
  async commit(): Promise<void> {
    await this.#committing;
    await (this.#committing = this.#commit().finally(() => (this.#committing = undefined)));
  }

  /** Leaves the group. Never rejects. */
  async close(): Promise<void> {
    this.#end();
    if (this.#stream !== undefined)
      for (const [, connection] of this.#stream.connections) connection.socket?.destroy();
    await this.#client.close(this.#consumer);
  }

  async #commit(): Promise<void> {
    const { topic } = this.#init;
    const untold = [...this.#windows].flatMap(([partition, window]) => {
      const offset = window.untold;
      return offset === undefined ? [] : [{ topic, partition, offset, leaderEpoch: -1 }];
    });
    if (untold.length === 0) return;
    try {
      await this.#consumer.commit({ offsets: untold });
      for (const { partition, offset } of untold) this.#windows.get(partition)?.told(offset);
    } catch (error) {
      this.#logger.debug('what is dealt with could not be committed', { topic, error });
    }
  }

  #take(record: Record): boolean {
    const { partition, offset } = record;
    if (!this.#owned.has(partition)) return false;
    let window = this.#windows.get(partition);
    if (window === undefined) this.#windows.set(partition, (window = new Window(offset)));
    return window.take(offset);
  }

  #assign(assignments: readonly GroupAssignment[]): void {
    this.#owned = new Set(assignments.flatMap(({ partitions }) => partitions));
    for (const partition of this.#windows.keys())
      if (!this.#owned.has(partition)) this.#windows.delete(partition);
    if (this.#stream !== undefined) void this.#check();
  }

  /** Has the group share anew when its topic has got more partitions. */
  #count(topic: ClusterTopicMetadata | undefined): void {
    const { partitionsCount = 0 } = topic ?? {};
    const more = this.#partitions > 0 && partitionsCount > this.#partitions;
    this.#partitions = partitionsCount;
    if (more && this.#stream !== undefined)
      this.#consumer.joinGroup({}).catch((error: unknown) => this.#fail(error));
  }

  /** A server that came back without its data knows of no commit, and begins its offsets anew: so does this member. */
  async #check(): Promise<void> {
    try {
      const owned = [...this.#owned];
      if (owned.length === 0) return;
      const committed = await this.#commits(owned);
      const missing = owned.filter((partition) => (committed[partition] ?? LATEST) < 0n);
      if (missing.some((partition) => this.#settled.has(partition)))
        this.#fail(new OctavoError('data_loss', 'the server has lost where the group stands'));
      else if (missing.length > 0) await this.#settle();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Has the server know where the group stands, in every partition. */
  async #settle(): Promise<void> {
    const { topic, group, begins } = this.#init;
    const { topics } = await this.#consumer.metadata({ topics: [topic] });
    const partitions = Array.from({ length: topics.get(topic)?.partitionsCount ?? 0 }, (_, at) => at);
    const committed = await this.#commits(partitions);
    const [first, last] = [await this.#offsets(EARLIEST), await this.#offsets(LATEST)];
    // A group that was here before missed what came to new partitions.
    const isNew = begins && committed.every((offset) => offset < 0n);
    const offsets = partitions.flatMap((partition) => {
      const [from = 0n, to = 0n, at = LATEST] = [first[partition], last[partition], committed[partition]];
      if (at >= from && at <= to) return [];
      if (at >= 0n)
        this.#logger.warn(
          'events are gone that a subscription had not seen: the topic keeps them too short',
          {
            topic,
            queue: group,
            partition,
          },
        );
      return [{ topic, partition, offset: isNew ? to : from, leaderEpoch: -1 }];
    });
    if (offsets.length > 0) await this.#consumer.commit({ offsets });
    for (const partition of partitions) this.#settled.add(partition);
  }

  async #commits(partitions: number[]): Promise<readonly bigint[]> {
    const { topic } = this.#init;
    const all = await this.#consumer.listCommittedOffsets({ topics: [{ topic, partitions }] });
    return all.get(topic) ?? [];
  }

  async #offsets(timestamp: bigint): Promise<readonly bigint[]> {
    const { topic } = this.#init;
    return (await this.#consumer.listOffsets({ topics: [topic], timestamp })).get(topic) ?? [];
  }

  #fail(reason: unknown): void {
    this.#failed ??= reason;
    this.#stream?.destroy();
    this.#end();
  }
}
