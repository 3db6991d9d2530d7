import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Everything here ends in a few seconds; after this time something is wrong. */
const LIMIT_MS = 30_000;

/** A process of a sample. */
export interface Running {
  /** The exit status; 1 for an end by a signal. */
  readonly ended: Promise<number>;
  /** Resolves with the first line like this. */
  line(like: RegExp): Promise<string>;
  /** Tells it to stop, and gives its exit status. */
  stop(): Promise<number>;
}

/** Runs the processes of a sample, which find each other by mDNS on loopback. */
export class Stage {
  readonly #base: string;
  readonly #width: number;
  readonly #children = new Set<ChildProcess>();
  readonly #limit: NodeJS.Timeout;

  /**
   * @param base what file names are relative to
   * @param width of the longest name
   */
  constructor(base: string, width: number) {
    this.#base = base;
    this.#width = width;
    this.#limit = setTimeout(() => {
      process.stderr.write(`the sample did not end within ${LIMIT_MS} ms\n`);
      for (const child of this.#children) child.kill('SIGKILL');
      process.exitCode = 1;
    }, LIMIT_MS);
  }

  /** Starts a process and prints its lines behind its name. */
  start(name: string, file: string, ...args: readonly string[]): Running {
    const path = fileURLToPath(new URL(file, this.#base));
    // Nothing leaves this machine, unless the environment says otherwise.
    const env = {
      MICRO_REGISTRY: 'mdns',
      MICRO_REGISTRY_ADDRESS: '127.0.0.1',
      MICRO_LOG_LEVEL: 'info',
      ...process.env,
    };
    const child = spawn(process.execPath, ['--enable-source-maps', path, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    const waiting: { readonly like: RegExp; readonly resolve: (line: string) => void }[] = [];
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        process.stdout.write(`${name.padEnd(this.#width)}  ${line}\n`);
        for (const { like, resolve } of waiting) if (like.test(line)) resolve(line);
      });
    const ended = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : 1));
    return {
      ended,
      line: (like) => new Promise((resolve) => waiting.push({ like, resolve })),
      async stop() {
        child.kill('SIGTERM');
        return ended;
      },
    };
  }

  /** All is over: the process ends with the first status that is not 0. */
  close(...statuses: readonly number[]): void {
    clearTimeout(this.#limit);
    process.exitCode ||= statuses.find((status) => status !== 0) ?? 0;
  }
}
