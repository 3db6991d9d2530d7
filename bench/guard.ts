import { execFile, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** What a call takes, and by which share it may be more than the baseline says, and by how much besides. */
const MEASURES = {
  heap: { is: 'bytes allocated on the heap', tolerance: 0.05, slack: 0 },
  buffers: { is: 'bytes allocated for buffers', tolerance: 0.05, slack: 0 },
  promises: { is: 'promises made', tolerance: 0.02, slack: 0 },
  wire: { is: 'bytes on the wire', tolerance: 0.01, slack: 0 },
  single: { is: 'system calls, 1 call in flight', tolerance: 0.1, slack: 0 },
  many: { is: 'system calls, 64 in flight', tolerance: 0.15, slack: 0.25 },
} as const;

type Measure = keyof typeof MEASURES;
type Measures = Partial<Record<Measure, number>>;

/** What is committed. */
interface Baseline {
  /** Another major version of Node allocates differently. */
  readonly node: number;
  /** By transport. */
  readonly calls: Readonly<Record<string, Measures>>;
}

const TRANSPORTS = ['http', 'tcp', 'memory'];
const FILE = fileURLToPath(new URL('../../bench/baseline.json', import.meta.url));
const PROBE = fileURLToPath(new URL('probe.js', import.meta.url));
const NODE = Number(process.versions.node.split('.')[0]);

/** No collection but those that are asked for, and the compiler in step with the program: so two runs allocate the same. */
const STEADY = [
  '--expose-gc',
  '--single-threaded',
  '--no-incremental-marking',
  '--initial-heap-size=2048',
  '--min-semi-space-size=256',
  '--max-semi-space-size=256',
];

/** System calls that have to do with sockets and waiting for them: others come from the garbage collector and its threads. */
const TRACED =
  'read,readv,write,writev,sendto,recvfrom,sendmsg,recvmsg,epoll_wait,epoll_pwait,epoll_ctl,connect,accept4,close,shutdown,setsockopt';
/** Few enough for a tracer, which takes its time, and many enough for what is not of them to be little. */
const TRACED_CALLS = { single: 3_200, many: 12_800 };

/** Compares what a call takes with the baseline, or writes it there. Gives whether all is well, and prints what is not. */
export async function check(update: boolean): Promise<boolean> {
  const baseline = committed();
  if (baseline.node !== NODE && !update) {
    loud(`the baseline is of Node ${baseline.node}, and this is ${NODE}: NOTHING IS COMPARED`);
    return true;
  }
  const calls: Record<string, Measures> = {};
  for (const transport of TRANSPORTS)
    // What could not be measured here is kept.
    calls[transport] = { ...(update && baseline.calls[transport]), ...(await measured(transport)) };
  const lines = Object.entries(calls).flatMap(([transport, measures]) =>
    Object.entries(measures).map(([measure, value]) =>
      // The names are those of the table.
      compared(transport, measure as Measure, value, baseline.calls[transport]?.[measure as Measure]),
    ),
  );
  for (const { text } of lines) console.log(text);
  if (update) {
    writeFileSync(FILE, `${JSON.stringify({ node: NODE, calls }, undefined, 2)}\n`);
    console.log('written to bench/baseline.json');
    return true;
  }
  const well = lines.every((line) => line.well);
  if (!well)
    console.log(
      'a call takes more than it did: find out why; where it is worth it, npm run bench -- --check --update',
    );
  return well;
}

function committed(): Baseline {
  if (!existsSync(FILE)) return { node: NODE, calls: {} };
  // It was written here.
  return JSON.parse(readFileSync(FILE, 'utf8')) as Baseline;
}

function compared(
  transport: string,
  measure: Measure,
  value: number,
  before: number | undefined,
): { readonly text: string; readonly well: boolean } {
  const { is, tolerance, slack } = MEASURES[measure];
  const now = figure(value);
  const what = `${transport.padEnd(7)} ${is.padEnd(31)} ${now.padStart(9)}`;
  if (before === undefined) return { well: false, text: `${what}   NEW: it is not in the baseline` };
  const well = value <= before * (1 + tolerance) + slack;
  const less = value < before * (1 - tolerance) - slack;
  const verdict = less ? 'less; --update keeps it so' : well ? 'ok' : 'MORE';
  const within = `(+${Math.round(tolerance * 100)} %)`;
  return { well, text: `${what}   baseline ${figure(before).padStart(9)} ${within.padEnd(7)}  ${verdict}` };
}

function figure(value: number): string {
  return value.toFixed(value < 100 ? 2 : 0);
}

async function measured(transport: string): Promise<Measures> {
  const inside = {
    ...(await told(transport, 'memory', STEADY)),
    ...(await told(transport, 'promises')),
  };
  if (transport === 'memory') return inside;
  const wired = { ...inside, ...(await told(transport, 'wire')) };
  if (!canTrace()) return wired;
  return { ...wired, single: await traced(transport, 'single'), many: await traced(transport, 'many') };
}

async function told(transport: string, mode: string, execArgv: readonly string[] = []): Promise<Measures> {
  const child = fork(PROBE, [mode, transport], { execArgv: [...execArgv] });
  const ended = once(child, 'exit');
  const [message] = await Promise.race([
    once(child, 'message'),
    ended.then(([code]) => {
      throw new Error(`the probe of ${mode} over ${transport} ended with ${code}`);
    }),
  ]);
  await ended;
  // The probe is of this benchmark.
  return message as Measures;
}

/** System calls of one call: what twice as many calls take more. */
async function traced(transport: string, mode: 'single' | 'many'): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'octavo-bench-'));
  try {
    const count = async (calls: number): Promise<number> => {
      const file = join(folder, String(calls));
      const command = [process.execPath, ...STEADY, PROBE, mode, transport, String(calls)];
      await promisify(execFile)('strace', ['-f', '-c', '-e', `trace=${TRACED}`, '-o', file, ...command]);
      // The last line: `100.00    0.123456           1      1234        12 total`, without a number of errors where there are none.
      return Number(/^100\.00 +\S+ +\S+ +(\d+).* total$/m.exec(readFileSync(file, 'utf8'))?.[1]);
    };
    const calls = TRACED_CALLS[mode];
    return ((await count(2 * calls)) - (await count(calls))) / calls;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let tracer: boolean | undefined;

/** Whether system calls can be counted; says so once if not. */
function canTrace(): boolean {
  if (tracer !== undefined) return tracer;
  try {
    execFileSync('strace', ['-f', '-c', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
    tracer = true;
  } catch {
    loud('strace is not installed (Debian: strace), or may not trace: SYSTEM CALLS ARE NOT COUNTED');
    tracer = false;
  }
  return tracer;
}

function loud(what: string): void {
  process.stderr.write(`!!! ${what}\n`);
}
