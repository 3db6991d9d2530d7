import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import { FollowedNodes } from './followed-nodes.js';
import { JoinedNodes } from './multi/joined-nodes.js';
import { Member } from './multi/member.js';
import { versionsOf } from './node-record.js';
import type { NodeView } from './node-view.js';
import { checkRecord } from './record.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';

export interface MultiOptions<T = Provider<Registry>> {
  /** Those that a service is registered in; they are read too. */
  readonly write: readonly T[];
  /** Those that are only read. @defaultValue none */
  readonly read?: readonly T[];
}

export interface MultiParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Several registries as one, such as the old and the new one of a move: registers in some, reads from all.
 *
 * A node that several know is what the first of them says. One that cannot be asked is left out, with its last answer in its place, unless
 * none can be asked.
 */
export class MultiRegistry extends Registry {
  readonly name = 'multi';
  readonly options: RegistryOptions;
  readonly local: boolean;
  readonly #write: readonly Member[];
  readonly #all: readonly Member[];
  readonly #followed: FollowedNodes;

  constructor({ write, read = [] }: MultiOptions<Registry>, parts: MultiParts) {
    super();
    if (write.length === 0)
      throw new OctavoError('invalid_argument', 'the multi registry writes to none: give it one in write');
    this.#write = write.map((registry) => new Member(registry, parts));
    this.#all = [...this.#write, ...read.map((registry) => new Member(registry, parts))];
    this.options = { addresses: [...write, ...read].flatMap(({ options }) => options.addresses ?? []) };
    this.local = write.every(({ local }) => local);
    this.#followed = new FollowedNodes({
      ...parts,
      registry: this.name,
      follow: (service, view, signal) => this.#follow(service, view, signal),
    });
  }

  /** Starts all of them. Where one fails, none stays started. */
  async start(): Promise<void> {
    try {
      await all(this.#all, ({ registry }) => registry.start());
    } catch (error) {
      await this.stop().catch(() => {});
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#followed.end();
    await all(this.#all, async (member) => member.stop());
  }

  /** Rejects where one of them does not take it; the others have it then. */
  async register(service: ServiceRecord, options?: RegisterOptions): Promise<void> {
    checkRecord(service);
    await this.#followed.begun(service.name);
    await all(this.#write, ({ registry }) => registry.register(service, options));
  }

  async deregister(service: ServiceRecord): Promise<void> {
    await this.#followed.begun(service.name);
    await all(this.#write, ({ registry }) => registry.deregister(service));
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    await this.#followed.begun(name);
    const joined = new JoinedNodes();
    const answers = await asked(this.#all, (member) => member.getService(name));
    for (const [member, nodes] of answers.entries()) if (nodes !== undefined) joined.replace(member, nodes);
    return versionsOf(joined.nodes.values());
  }

  async listServices(): Promise<readonly string[]> {
    const lists = await asked(this.#all, ({ registry }) => registry.listServices());
    return [...new Set(lists.flatMap((names) => names ?? []))].sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#followed.watch(options);
  }

  /** Follows each on its own, so that one that is lost does not keep the others from being heard. */
  async #follow(service: string | undefined, view: NodeView, signal: AbortSignal): Promise<void> {
    const joined = new JoinedNodes();
    const begun = this.#all.map((member) => member.begin(service, signal));
    const lists = await asked(begun, ({ list }) => list);
    for (const [member, nodes] of lists.entries()) if (nodes !== undefined) joined.replace(member, nodes);
    if (signal.aborted) return;
    joined.follow(view);
    await Promise.all(
      this.#all.map((member, n) => {
        const heard = {
          list: (nodes: Parameters<JoinedNodes['replace']>[1]) => joined.replace(n, nodes),
          change: (event: RegistryEvent) => joined.change(n, event),
        };
        return member.follow(service, signal, heard, lists[n] && begun[n]);
      }),
    );
  }
}

/** Finds services through several registries at once. */
export function multi(options: MultiOptions): Provider<Registry> {
  return (resolve) => {
    const { write, read = [] } = options;
    const made = { write: write.map((make) => make(resolve)), read: read.map((make) => make(resolve)) };
    return new MultiRegistry(made, { clock: resolve(Clock), logger: resolve(Logger) });
  };
}

/** For each, at the same time: what fails does not keep others from being done. */
async function all<T>(items: readonly T[], run: (item: T) => unknown): Promise<void> {
  const done = await Promise.allSettled(items.map(async (item) => run(item)));
  const failed = done.find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** What each says; nothing of those that fail, unless all do. */
async function asked<T, R>(items: readonly T[], ask: (item: T) => R): Promise<(Awaited<R> | undefined)[]> {
  const answers = await Promise.allSettled(items.map(async (item) => ask(item)));
  const [first] = answers;
  if (first?.status === 'rejected' && answers.every(({ status }) => status === 'rejected'))
    throw first.reason;
  return answers.map((each) => (each.status === 'fulfilled' ? each.value : undefined));
}
