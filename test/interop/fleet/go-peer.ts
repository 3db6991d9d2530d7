import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** The lines of go-micro that the peers are built on: v4.11.0 and v5.3.0. */
export const VERSIONS = ['v4', 'v5'] as const;
export type Version = (typeof VERSIONS)[number];

/** What the peer is asked to do, and what that needs: `test/interop/peers/main.go` has the whole. */
export interface Command {
  readonly do: string;
  readonly [argument: string]: unknown;
}

/** What the peer tells by itself: a message that it got, a change that it saw. */
export interface GoEvent {
  readonly event: string;
  readonly [fact: string]: unknown;
}

/** An error of go-micro's, as the peer's client got it. */
export class GoError extends Error {
  readonly id: string;
  readonly code: number;
  readonly status: string;

  constructor({ id, code, detail, status }: { id: string; code: number; detail: string; status: string }) {
    super(detail);
    this.id = id;
    this.code = code;
    this.status = status;
  }
}

/** For how long something that is to come is waited for, in milliseconds. */
const PATIENCE_MS = 10_000;

/** One process on go-micro. */
export class GoPeer implements AsyncDisposable {
  readonly version: Version;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, { resolve(reply: unknown): void; reject(error: Error): void }>();
  readonly #events: GoEvent[] = [];
  readonly #changed: (() => void)[] = [];
  readonly #ended: Promise<unknown>;
  #last = 0;

  /** @param env variables that it has beside ours */
  constructor(version: Version, env: Readonly<Record<string, string>> = {}) {
    const folder = process.env['OCTAVO_GO_PEERS'];
    if (folder === undefined) throw new Error('these tests need Go peers: npm run test:interop');
    this.version = version;
    this.#child = spawn(join(folder, version), [], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    this.#ended = once(this.#child, 'close').then(() => this.#fail());
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
  }

  /** Does this, and resolves with what came of it. Rejects with a {@link GoError}. */
  ask<T = unknown>(command: Command): Promise<T> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      // Each test knows what the command that it gives answers.
      this.#waiting.set(id, { resolve: (reply) => resolve(reply as T), reject });
      this.#child.stdin.write(`${JSON.stringify({ ...command, id })}\n`);
    });
  }

  /** The first event like this that nobody has had yet. */
  async event(event: string, like: Readonly<Record<string, unknown>> = {}): Promise<GoEvent> {
    const wanted = (each: GoEvent): boolean =>
      each.event === event && Object.entries(like).every(([name, value]) => each[name] === value);
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const at = this.#events.findIndex(wanted);
      if (at >= 0) return this.#events.splice(at, 1)[0] as GoEvent; // it was just found there
      if (Date.now() >= end)
        throw new Error(`no ${event} like ${JSON.stringify(like)} among ${JSON.stringify(this.#events)}`);
      await this.#change(end - Date.now());
    }
  }

  /** How many events of a kind came that nobody has had. */
  left(event: string): readonly GoEvent[] {
    return this.#events.filter((each) => each.event === event);
  }

  /** Ends it without a word to anybody. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }

  #take(line: string): void {
    // Whatever the peer writes to its standard output is one of these.
    const told = JSON.parse(line) as GoEvent & {
      id?: number;
      reply?: unknown;
      error?: GoError & { detail: string };
    };
    if (told.id === undefined) {
      this.#events.push(told);
      for (const wake of this.#changed.splice(0)) wake();
      return;
    }
    const waiting = this.#waiting.get(told.id);
    this.#waiting.delete(told.id);
    if (told.error === undefined) waiting?.resolve(told.reply);
    else waiting?.reject(new GoError(told.error));
  }

  #fail(): void {
    for (const waiting of this.#waiting.values())
      waiting.reject(new Error(`the go-micro ${this.version} peer ended`));
    this.#waiting.clear();
  }

  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#changed.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
