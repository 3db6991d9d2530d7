import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Contender } from './contender.js';
import type { End, Told } from './end.js';
import { both } from './in-processes.js';

const SOURCES = fileURLToPath(new URL('../../bench/peers/go-micro', import.meta.url));
const FILES = ['go.mod', 'main.go'];

/** go-micro's client that calls go-micro's server, both in Go. */
export const goMicro: Contender = {
  name: 'go-micro',
  loads: ['small', 'single', 'large'],
  missing: missingGo,
  async start() {
    const server = await GoEnd.start('serve');
    return both(server, await GoEnd.start('call', server.first.address));
  },
};

/** Why there are no peers in Go. */
export function missingGo(): string | undefined {
  try {
    program();
    return undefined;
  } catch (reason) {
    // Whatever it threw comes from Node or a program.
    return `its peer in Go cannot be built (Debian: golang-go; the Go module proxy): ${(reason as Error).message}`;
  }
}

/** A process on go-micro. It answers each line of its input with one. */
export class GoEnd implements End {
  readonly first: Told;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>, lines: Interface, first: Told) {
    this.#child = child;
    this.#lines = lines;
    this.first = first;
  }

  static async start(...args: readonly string[]): Promise<GoEnd> {
    // Its logger would write for each connection.
    const env = { ...process.env, MICRO_LOG_LEVEL: 'fatal' };
    const child = spawn(program(), args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    const lines = createInterface({ input: child.stdout });
    return new GoEnd(child, lines, await line(lines));
  }

  ask(what: object): Promise<Told> {
    this.#child.stdin.write(`${JSON.stringify(what)}\n`);
    return line(this.#lines);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}

async function line(lines: Interface): Promise<Told> {
  const waiting = new AbortController();
  const { signal } = waiting;
  try {
    const ended = once(lines, 'close', { signal }).then(() => {
      throw new Error('the go-micro peer ended');
    });
    const [text] = await Promise.race([once(lines, 'line', { signal }), ended]);
    // The peer is of this benchmark.
    return JSON.parse(text as string) as Told;
  } finally {
    waiting.abort();
  }
}

/** The program. It is built where that was not done yet for these sources, into a cache folder outside the checkout. */
function program(): string {
  const hash = createHash('sha256').update(execFileSync('go', ['version']));
  for (const file of FILES) hash.update(`\0${file}\0`).update(readFileSync(join(SOURCES, file)));
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = join(cache, 'octavo', `bench-go-micro-${hash.digest('hex').slice(0, 16)}`);
  const built = join(folder, 'bench');
  if (existsSync(built)) return built;
  process.stderr.write('building the go-micro peer\n');
  const work = `${folder}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  try {
    for (const file of FILES) copyFileSync(join(SOURCES, file), join(work, file));
    execFileSync('go', ['build', '-mod=mod', '-trimpath', '-o', 'bench', '.'], {
      cwd: work,
      stdio: ['ignore', 2, 2],
    });
    // Whoever else built the same meanwhile has the same.
    if (!existsSync(folder)) renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return built;
}
