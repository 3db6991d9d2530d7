import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { load, type Load } from './load.js';
import type { Variant } from './variant.js';
import { variants } from './variants.js';

const HELP = `usage: npm run bench -- [NAME ...] [--rounds N] [--seconds N] [--json]

Measures calls of a small message, 64 in flight, client and server in two processes, the variants in turn.
  NAME         only these (and the floor): ${variants.map(({ name }) => name).join(', ')}
  --rounds N   how often each is measured; medians are shown (default 5)
  --seconds N  how long each round lasts (default 2)
  --json       one JSON object a line instead of a table`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

interface Round extends Load {
  /** CPU time of client and server, in microseconds. */
  readonly cpuPerCall: number;
  readonly clientRss: number;
  readonly serverRss: number;
}

interface Usage {
  readonly cpu: NodeJS.CpuUsage;
  readonly rss: number;
}

/** A variant that is up. */
interface Running {
  readonly variant: Variant;
  readonly call: () => Promise<unknown>;
  readonly child: ChildProcess | undefined;
  readonly rounds: Round[];
}

if (values.help) console.log(HELP);
else await main();

async function main(): Promise<void> {
  for (const name of positionals)
    if (!variants.some((variant) => variant.name === name)) throw new Error(`there is no "${name}"\n${HELP}`);
  const wanted = variants.filter(
    ({ name }) => positionals.length === 0 || name === 'floor' || positionals.includes(name),
  );
  const rounds = Number(values.rounds);
  const ms = Number(values.seconds) * 1_000;
  const running: Running[] = [];
  for (const variant of wanted) running.push(await start(variant));
  for (const { call } of running) await load(call, Math.min(ms, 1_000));
  for (let round = 1; round <= rounds; round++)
    for (const each of running) {
      if (process.stderr.isTTY)
        process.stderr.write(`\rround ${round} of ${rounds}: ${each.variant.name.padEnd(20)}`);
      each.rounds.push(await measure(each, ms));
    }
  if (process.stderr.isTTY) process.stderr.write('\r'.padEnd(50) + '\r');
  print(running);
  for (const { child } of running) child?.disconnect();
  process.exit(0);
}

async function start(variant: Variant): Promise<Running> {
  if (variant.oneProcess === true)
    return { variant, call: await variant.connect(await variant.serve()), child: undefined, rounds: [] };
  const child = fork(fileURLToPath(new URL('server.js', import.meta.url)), [variant.name]);
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  return { variant, call: await variant.connect(address), child, rounds: [] };
}

async function measure({ call, child }: Running, ms: number): Promise<Round> {
  const before = [own(), await ask(child)];
  const result = await load(call, ms);
  const after = [own(), await ask(child)];
  const used = after.map(({ cpu }, at) => total(cpu) - total(before[at]?.cpu)).reduce((a, b) => a + b);
  return {
    ...result,
    cpuPerCall: used / result.calls,
    clientRss: after[0]?.rss ?? 0,
    serverRss: after[1]?.rss ?? 0,
  };
}

function own(): Usage {
  return { cpu: process.cpuUsage(), rss: process.memoryUsage.rss() };
}

async function ask(child: ChildProcess | undefined): Promise<Usage> {
  if (child === undefined) return { cpu: { user: 0, system: 0 }, rss: 0 };
  child.send('usage');
  const [usage] = (await once(child, 'message')) as [Usage];
  return usage;
}

function total(cpu: NodeJS.CpuUsage | undefined): number {
  return (cpu?.user ?? 0) + (cpu?.system ?? 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** The ratios are of one round each, and of those the median: rounds differ more than variants do. */
function print(running: readonly Running[]): void {
  const [base] = running;
  const rows = running.map(({ variant, rounds }) => {
    const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
    const against = (pick: (round: Round, floor: Round) => number): number =>
      median(rounds.map((round, at) => pick(round, base?.rounds[at] ?? round)));
    return {
      name: variant.name,
      about: variant.about,
      perSecond: Math.round(of(({ perSecond }) => perSecond)),
      p50Ms: of(({ p50Ms }) => p50Ms),
      p99Ms: of(({ p99Ms }) => p99Ms),
      cpuPerCallUs: of(({ cpuPerCall }) => cpuPerCall),
      ofFloor: against((round, floor) => round.perSecond / floor.perSecond),
      ofFloorCpu: against((round, floor) => floor.cpuPerCall / round.cpuPerCall),
      clientMb: of(({ clientRss }) => clientRss) / 2 ** 20,
      serverMb: of(({ serverRss }) => serverRss) / 2 ** 20,
    };
  });
  if (values.json) {
    for (const row of rows) console.log(JSON.stringify(row));
    return;
  }
  console.log(
    `Node ${process.version}, ${cpus().length} cores, 64 in flight, medians of ${values.rounds} rounds of ${values.seconds} s`,
  );
  console.log(
    'variant          calls/s   p50 ms   p99 ms   CPU us/call   of floor   by CPU   client/server MB',
  );
  for (const row of rows)
    console.log(
      row.name.padEnd(14) +
        String(row.perSecond).padStart(10) +
        row.p50Ms.toFixed(2).padStart(9) +
        row.p99Ms.toFixed(2).padStart(9) +
        row.cpuPerCallUs.toFixed(1).padStart(14) +
        `${Math.round(row.ofFloor * 100)} %`.padStart(11) +
        `${Math.round(row.ofFloorCpu * 100)} %`.padStart(9) +
        `${Math.round(row.clientMb)}/${Math.round(row.serverMb)}`.padStart(19),
    );
}
