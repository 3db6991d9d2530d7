import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/**
 * Builds a Go program from a folder of the checkout, where that was not done yet for these sources, into a cache folder outside of it.
 * `undefined` without Go, which CI does not put up with.
 *
 * @param more sources that it shares with other programs
 */
export function buildGo(folder: string, more: readonly string[] = []): string | undefined {
  const toolchain = spawnSync('go', ['version'], { encoding: 'utf8' });
  if (toolchain.status !== 0) return missing(folder, 'Go is not installed');
  const hash = createHash('sha256').update(toolchain.stdout);
  const own = readdirSync(folder).map((file) => join(folder, file));
  for (const path of [...own.sort(), ...more])
    hash.update(`\0${basename(path)}\0`).update(readFileSync(path));
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const built = join(cache, 'octavo', `${basename(folder)}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(built)) return join(built, 'program');
  const work = `${built}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  cpSync(folder, work, { recursive: true });
  for (const path of more) cpSync(path, join(work, basename(path)));
  const run = spawnSync('go', ['build', '-mod=mod', '-o', 'program', '.'], { cwd: work, encoding: 'utf8' });
  if (run.status !== 0) {
    rmSync(work, { recursive: true });
    return missing(folder, run.stderr);
  }
  // Whoever else built the same meanwhile has the same.
  if (existsSync(built)) rmSync(work, { recursive: true });
  else renameSync(work, built);
  return join(built, 'program');
}

function missing(folder: string, why: string): undefined {
  if (process.env['CI'] === 'true') throw new Error(`${folder} cannot be built: ${why}`);
  console.error(`\n!!! ${folder} cannot be built, and the tests with it are SKIPPED: ${why}\n`);
}

/** What a program says by itself. */
export interface GoFact {
  readonly event: string;
  readonly [fact: string]: unknown;
}

/** A Go program that takes a command in each line of its input, and answers and tells in lines of its output. */
export class GoProgram implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: ((answer: { done?: unknown; failed?: string }) => void)[] = [];
  readonly #facts: GoFact[] = [];
  #wake = (): void => {};

  private constructor(path: string, args: readonly string[]) {
    this.#child = spawn(path, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
  }

  /** Starts one, and waits until it says that it is ready. */
  static async start(path: string, args: readonly string[]): Promise<GoProgram> {
    const program = new GoProgram(path, args);
    await program.next('ready');
    return program;
  }

  /** Has it do something, and resolves with what came of it. */
  async ask<T = unknown>(command: Readonly<Record<string, unknown>>): Promise<T> {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const { done, failed } = await new Promise<{ done?: unknown; failed?: string }>((resolve) =>
      this.#answers.push(resolve),
    );
    if (failed !== undefined) throw new Error(failed);
    // The program says what it was asked for.
    return done as T;
  }

  /** The next fact of this kind. */
  async next(event: string): Promise<GoFact> {
    for (;;) {
      const at = this.#facts.findIndex((fact) => fact.event === event);
      const [fact] = at < 0 ? [] : this.#facts.splice(at, 1);
      if (fact !== undefined) return fact;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #take(line: string): void {
    const said: unknown = JSON.parse(line);
    if (typeof said === 'object' && said !== null && 'event' in said) this.#facts.push(said as GoFact);
    else this.#answers.shift()?.(said as { done?: unknown; failed?: string });
    this.#wake();
  }
}
