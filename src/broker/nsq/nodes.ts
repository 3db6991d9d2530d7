import { OctavoError } from '../../core/error.js';
import type { Timer } from '../../core/clock.js';
import { within } from '../../core/within.js';
import type { ClientParts } from './options.js';

/** How long an nsqlookupd may take for an answer. */
const ANSWER_MS = 2_000;
/** Bytes of the longest answer that is read, and how many nodes there may be in it. */
const MOST_BYTES = 1024 * 1024;
const MOST_NODES = 256;

/** Which nsqds there are: those that were named, and those that an nsqlookupd knows. */
export class Nodes {
  readonly #named: readonly string[];
  readonly #lookups: readonly string[];
  readonly #pollMs: number;
  readonly #parts: ClientParts;
  readonly #onChange: () => void;
  #known: readonly string[];
  #timer: Timer | undefined;
  #stopped = false;

  /** @param onChange called when there are others than before */
  constructor(
    named: readonly string[],
    lookups: readonly string[],
    pollMs: number,
    parts: ClientParts,
    onChange: () => void,
  ) {
    this.#named = named;
    this.#known = named;
    this.#lookups = lookups;
    this.#pollMs = pollMs;
    this.#parts = parts;
    this.#onChange = onChange;
  }

  get all(): readonly string[] {
    return this.#known;
  }

  /** Asks, and goes on asking. Rejects with `unavailable` when nobody answers, and may be called again. */
  async start(): Promise<void> {
    this.#stopped = false;
    if (this.#lookups.length === 0 || this.#timer !== undefined) return;
    await this.#ask();
    this.#poll();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #poll(): void {
    if (this.#stopped) return;
    const next = (): void => {
      // A node that nobody tells of any longer is kept until somebody answers.
      void this.#ask()
        .catch((error: unknown) => this.#parts.logger.debug('no nsqlookupd answers', { error }))
        .then(() => this.#poll());
    };
    this.#timer = this.#parts.clock.after(this.#pollMs, next, { background: true });
  }

  async #ask(): Promise<void> {
    const answers = await Promise.allSettled(this.#lookups.map((each) => this.#nodesOf(each)));
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    if (found.length === 0) {
      const [first] = answers;
      throw new OctavoError('unavailable', `no nsqlookupd answers at ${this.#lookups.join(', ')}`, {
        cause: first?.status === 'rejected' ? first.reason : undefined,
      });
    }
    const nodes = [...new Set([...this.#named, ...found.flat()])].sort();
    if (this.#stopped || nodes.join() === this.#known.join()) return;
    this.#known = nodes;
    this.#onChange();
  }

  async #nodesOf(lookup: string): Promise<string[]> {
    const late = new AbortController();
    try {
      return await within(ANSWER_MS, this.#parts.clock, nodesAt(lookup, late.signal), () => {
        late.abort();
        return new Error(`no answer within ${ANSWER_MS} ms`);
      });
    } finally {
      late.abort();
    }
  }
}

async function nodesAt(lookup: string, signal: AbortSignal): Promise<string[]> {
  const response = await fetch(`http://${lookup}/nodes`, { signal });
  const text: string[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    // What fetch gives are bytes.
    const part = Buffer.from(chunk as Uint8Array);
    bytes += part.length;
    if (bytes > MOST_BYTES) throw new Error(`it answers with more than ${MOST_BYTES} bytes`);
    text.push(part.toString('latin1'));
  }
  return producersIn(JSON.parse(text.join('')));
}

/** The addresses in what an nsqlookupd answers: `{"producers":[{"broadcast_address":"127.0.0.1","tcp_port":4150}]}`. */
export function producersIn(value: unknown): string[] {
  const { producers } = (typeof value === 'object' && value !== null ? value : {}) as { producers?: unknown };
  if (!Array.isArray(producers)) throw new Error('it answers with no list of producers');
  return producers.slice(0, MOST_NODES).flatMap((each: unknown) => {
    if (typeof each !== 'object' || each === null) return [];
    const { broadcast_address: host, tcp_port: port } = each as Readonly<Record<string, unknown>>;
    if (typeof host !== 'string' || typeof port !== 'number') return [];
    return [host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`];
  });
}
