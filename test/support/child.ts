import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A process of a test's own, that says what happens by messages. */
export class Child {
  readonly process: ChildProcess;
  readonly #ended: Promise<number | string>;
  readonly #waiting = new Set<{
    readonly like: (message: unknown) => boolean;
    readonly resolve: (message: unknown) => void;
  }>();
  #errors = '';

  private constructor(child: ChildProcess) {
    this.process = child;
    this.#ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
    child.on('message', (message: unknown) => {
      for (const each of this.#waiting) if (each.like(message)) each.resolve(message);
    });
    child.stderr?.on(
      'data',
      (text: Buffer) => (this.#errors = (this.#errors + text.toString()).slice(-10_000)),
    );
  }

  /** Starts a module of `dist/test`, with these arguments. */
  static start(module: string, args: readonly string[] = [], flags: readonly string[] = []): Child {
    const path = fileURLToPath(new URL(`../${module}`, import.meta.url));
    const options = { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] as ('ignore' | 'pipe' | 'ipc')[] };
    return new Child(fork(path, args, { ...options, execArgv: ['--enable-source-maps', ...flags] }));
  }

  /** The next message that has this member, and what it is there. Rejects when the process ends before. */
  async next<T>(member: string): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const entry = {
        like: (message: unknown): boolean =>
          typeof message === 'object' && message !== null && member in message,
        resolve: (message: unknown): void => {
          this.#waiting.delete(entry);
          // The child says what it means by its own name.
          resolve((message as Record<string, T>)[member] as T);
        },
      };
      this.#waiting.add(entry);
      void this.#ended.then((status) =>
        reject(new Error(`the process ended with ${status}: ${this.#errors}`)),
      );
    });
  }

  /** Calls `listener` with this member of each message that has it. */
  on<T>(member: string, listener: (value: T) => void): void {
    this.process.on('message', (message: unknown) => {
      if (typeof message === 'object' && message !== null && member in message)
        listener((message as Record<string, T>)[member] as T);
    });
  }

  /** The exit status, or the signal, after this signal. */
  async end(signal: NodeJS.Signals): Promise<number | string> {
    this.process.kill(signal);
    return this.#ended;
  }

  /** The exit status, or the signal, when it ends by itself. */
  get ended(): Promise<number | string> {
    return this.#ended;
  }

  get errors(): string {
    return this.#errors;
  }
}
