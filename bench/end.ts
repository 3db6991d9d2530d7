import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Load } from './load.js';

/** What an end tells: its address or what it is at first, later what a load came to, and what the process used up to then. */
export interface Told extends Load {
  readonly address: string;
  readonly about: string;
  /** In microseconds, user and system. */
  readonly cpu: number;
  readonly rss: number;
}

/** A process that runs a server, or a client. */
export interface End {
  readonly first: Told;
  ask(what: object): Promise<Told>;
  stop(): Promise<void>;
}

export interface JsEndOptions {
  readonly role: 'serve' | 'call';
  readonly module: URL;
  readonly name: string;
  readonly address?: string;
  /** Where a profile of its CPU time is left. @defaultValue none is taken */
  readonly profiles?: string | undefined;
}

/** One end of a variant. */
export class JsEnd implements End {
  readonly first: Told;
  readonly #name: string;
  readonly #child: ChildProcess;

  private constructor(name: string, child: ChildProcess, first: Told) {
    this.#name = name;
    this.#child = child;
    this.first = first;
  }

  static async start({ role, module, name, address = '', profiles }: JsEndOptions): Promise<JsEnd> {
    const execArgv =
      profiles === undefined
        ? []
        : ['--cpu-prof', '--cpu-prof-dir', profiles, '--cpu-prof-name', `${name}-${role}.cpuprofile`];
    const path = fileURLToPath(new URL('child.js', import.meta.url));
    const child = fork(path, [role, module.href, name, address], { execArgv });
    return new JsEnd(name, child, await told(name, child));
  }

  ask(what: object): Promise<Told> {
    this.#child.send(what);
    return told(this.#name, this.#child);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

async function told(name: string, child: ChildProcess): Promise<Told> {
  const waiting = new AbortController();
  const { signal } = waiting;
  try {
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`${name} ended with ${code}`);
    });
    const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
    // Both ends are of this benchmark.
    return message as Told;
  } finally {
    waiting.abort();
  }
}
