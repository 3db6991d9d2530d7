import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** Those that run: none outlives the tests, not even where these are given up. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
process.once('SIGTERM', () => process.exit(1));

/** How often it is asked whether a server is ready, every 10 ms: a slow one on a busy machine takes many seconds. */
const MOST_ATTEMPTS = 3_000;

/** A real server that a test has for itself, so that it can kill, pause and start it again. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #output = '';

  private constructor(command: string, args: readonly string[], options: SpawnOptions) {
    this.#child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const child = this.#child;
    running.add(child);
    this.#exited = once(child, 'exit')
      .catch((reason: unknown) => reason)
      .finally(() => running.delete(child));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on(
        'data',
        (bytes: Buffer) => (this.#output = (this.#output + bytes.toString()).slice(-10_000)),
      );
  }

  /** Starts a server, and waits until `ready` gives something. */
  static async start<T>(
    command: string,
    args: readonly string[],
    cwd: string,
    ready: () => Promise<T | undefined>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ server: ServerProcess; ready: T }> {
    const server = new ServerProcess(command, args, { cwd, env: { ...process.env, ...env } });
    let gone = false;
    void server.#exited.then(() => (gone = true));
    for (let attempt = 0; attempt < MOST_ATTEMPTS && !gone; attempt++) {
      const there = await ready();
      if (there !== undefined) return { server, ready: there };
      await wait(10);
    }
    await server.kill();
    throw new Error(`${command} ${args.join(' ')} did not come up:\n${server.#output}`);
  }

  /** Starts a program, and waits until it prints `word`. */
  static async spawn(
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    word: string,
  ): Promise<ServerProcess> {
    const program = new ServerProcess(command, args, { env: { ...process.env, ...env } });
    const said = new Promise<void>((resolve) => {
      program.#child.stdout?.on('data', () => program.#output.includes(word) && resolve());
    });
    await Promise.race([said, program.#exited]);
    if (!program.#output.includes(word)) throw new Error(`${args.join(' ')} ended:\n${program.#output}`);
    return program;
  }

  /** Asks it to end, and waits until it has. */
  async end(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#exited;
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Freezes it: its connections stay, and nothing answers. */
  async pause(): Promise<void> {
    this.#child.kill('SIGSTOP');
    // The signal takes its time. Where the state cannot be read, that has to do.
    for (let attempt = 0; attempt < 1_000 && !(await this.#stopped()); attempt++) await wait(1);
  }

  async #stopped(): Promise<boolean> {
    const state = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8').catch(() => ') T');
    return state.slice(state.lastIndexOf(')') + 2).startsWith('T');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }
}

/** Whether something accepts connections there. */
export async function accepts(port: number): Promise<true | undefined> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
