import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import { nodesOf, type NodeRecord } from '../node-record.js';
import type { Registry, RegistryEvent } from '../registry.js';

export interface MemberParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A watch that has begun, and the list of what was there. */
export interface Begun {
  readonly changes: AsyncIterable<RegistryEvent>;
  readonly list: Promise<readonly NodeRecord[]>;
}

/** Where it goes what a member says. */
export interface Heard {
  list(nodes: readonly NodeRecord[]): void;
  change(event: RegistryEvent): void;
}

/** How many services' last answers are kept. */
const MOST_SERVICES = 10_000;
/** How long a member that was lost is left alone, in milliseconds. */
const PAUSE_MS = 1_000;

/** One of several registries. */
export class Member {
  readonly registry: Registry;
  readonly #parts: MemberParts;
  /** What it last said of a service. */
  readonly #last = new Map<string, readonly NodeRecord[]>();
  #silent = false;

  constructor(registry: Registry, parts: MemberParts) {
    this.registry = registry;
    this.#parts = parts;
  }

  async stop(): Promise<void> {
    this.#last.clear();
    await this.registry.stop();
  }

  /** The nodes of a service; the last answer, where there is one, while it cannot be asked. */
  async getService(name: string): Promise<readonly NodeRecord[]> {
    try {
      const nodes = (await this.registry.getService(name)).flatMap(nodesOf);
      this.#last.delete(name);
      if (this.#last.size >= MOST_SERVICES) this.#last.delete([...this.#last.keys()][0] ?? '');
      if (nodes.length > 0) this.#last.set(name, nodes);
      this.#spoke();
      return nodes;
    } catch (reason) {
      this.#missed(OctavoError.from(reason));
      const last = this.#last.get(name);
      if (last === undefined) throw reason;
      return last;
    }
  }

  begin(service: string | undefined, signal: AbortSignal): Begun {
    const failed = new AbortController();
    const until = AbortSignal.any([signal, failed.signal]);
    const changes = this.registry.watch({ signal: until, ...(service !== undefined && { service }) });
    const list = this.#list(service);
    // A watch is worth nothing without a list. Who waits for that learns of it.
    list.catch(() => failed.abort());
    return { changes, list };
  }

  /** Follows it until the signal, with a new list whenever it was lost. */
  async follow(
    service: string | undefined,
    signal: AbortSignal,
    heard: Heard,
    first: Begun | undefined,
  ): Promise<void> {
    for (let begun = first; !signal.aborted; begun = undefined) {
      try {
        if (begun === undefined) {
          begun = this.begin(service, signal);
          heard.list(await begun.list);
        }
        this.#spoke();
        for await (const event of begun.changes) heard.change(event);
      } catch (reason) {
        this.#missed(OctavoError.from(reason));
      }
      if (signal.aborted) return;
      try {
        await this.#parts.clock.sleep(PAUSE_MS * (0.5 + Math.random() / 2), signal);
      } catch {
        return;
      }
    }
  }

  async #list(service: string | undefined): Promise<readonly NodeRecord[]> {
    const names = service === undefined ? await this.registry.listServices() : [service];
    const found: NodeRecord[] = [];
    for (const name of names) found.push(...(await this.registry.getService(name)).flatMap(nodesOf));
    return found;
  }

  #missed(error: OctavoError): void {
    if (!this.#silent)
      this.#parts.logger.warn('one of several registries cannot be asked, the others go on', {
        registry: this.registry.name,
        error,
      });
    this.#silent = true;
  }

  #spoke(): void {
    if (this.#silent)
      this.#parts.logger.info('one of several registries answers again', { registry: this.registry.name });
    this.#silent = false;
  }
}
