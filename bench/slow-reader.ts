import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const SLOW_MS = 60_000;

/** What one reads slowly would otherwise pile up: of both ends, and of streams in both directions, the most by which a process grew. In MB. */
export function slowReader(transport: 'http' | 'tcp'): {
  readonly name: string;
  readonly gives: readonly string[];
  run(): Promise<Readonly<Record<string, number>>>;
} {
  const name = `slow-reader-${transport}`;
  return {
    name,
    gives: [name],
    async run() {
      const growths = await Promise.all([growth(transport, 'read'), growth(transport, 'write')]);
      return { [name]: Math.max(...growths) };
    },
  };
}

async function growth(transport: string, role: 'read' | 'write'): Promise<number> {
  const server = streamer(transport, 'serve');
  const client = streamer(transport, role, await member<string>(server, 'address'));
  await member(client, 'warm');
  const grown = [server, client].map(watched);
  await wait(SLOW_MS);
  for (const child of [client, server]) {
    if (child.exitCode !== null) throw new Error(`an end of a slow stream over ${transport} ended`);
    child.kill('SIGKILL');
  }
  return Math.max(...grown.map((of) => of())) / 2 ** 20;
}

/** One end of the slow tests' stream. */
function streamer(transport: string, ...args: readonly string[]): ChildProcess {
  const path = fileURLToPath(new URL('../test/slow/streamer.js', import.meta.url));
  return fork(path, args, { env: { ...process.env, MICRO_TRANSPORT: transport, MICRO_LOG_LEVEL: 'error' } });
}

/** What the next message that has this member says there. */
async function member<T>(child: ChildProcess, name: string): Promise<T> {
  for (;;) {
    // The streamer says each thing by its own name.
    const [message] = (await once(child, 'message')) as [Record<string, T>];
    if (message[name] !== undefined) return message[name];
  }
}

/** By how much the memory of a process was ever above what it is at first. */
function watched(child: ChildProcess): () => number {
  const seen: number[] = [];
  child.on('message', ({ rss }: { rss?: number }) => {
    if (rss !== undefined) seen.push(rss);
  });
  return () => Math.max(...seen) - (seen[0] ?? 0);
}
