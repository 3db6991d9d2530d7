import { cpuOf, type LoadName, type Sample } from './contender.js';
import { ASYNC_WRAPPERS } from './octavo.js';
import type { Measured } from './rounds.js';
import { median } from './statistics.js';

/** Everything that was measured, by name. */
export interface Findings {
  readonly measured: ReadonlyMap<string, Measured>;
  /** What is not measured in rounds of calls: one figure for each run. */
  readonly figures: ReadonlyMap<string, readonly number[]>;
}

/** What one row of the table comes to. */
export interface Row {
  readonly name: string;
  /** How many times better Octavo is, what share of a floor it reaches, or how many times as much something costs; `null` for what is no comparison. */
  readonly ratio: number | null;
  readonly must: number;
  readonly aim: number;
  readonly ours: number | null;
  readonly theirs: number | null;
  /** What is held to `must`, run by run. */
  readonly runs: readonly number[];
  /** Of what is held to `must`. */
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** `null` where it was not measured. */
  readonly met: boolean | null;
  /** What it needs and was not measured. */
  readonly lacks?: readonly string[];
}

interface Goal {
  readonly name: string;
  readonly needs: readonly string[];
  readonly must: number;
  readonly aim: number;
  readonly unit: string;
  readonly lower?: boolean;
  of(findings: Findings): Result;
}

interface Result {
  /** What is held to the goal. */
  readonly runs: readonly number[];
  readonly ours: number;
  readonly theirs?: number;
}

type Figure = (sample: Sample) => number;

function samplesOf(findings: Findings, name: string, figure: Figure, load: LoadName = 'small'): number[] {
  return (findings.measured.get(name)?.samples[load] ?? []).map(figure);
}

/** How many times as much theirs is as ours, round by round. */
function compared(findings: Findings, ours: string, theirs: string, figure: Figure): Result {
  const [a, b] = [samplesOf(findings, ours, figure), samplesOf(findings, theirs, figure)];
  return { runs: a.map((each, at) => (b[at] ?? NaN) / each), ours: median(a), theirs: median(b) };
}

function inverse({ runs, ...rest }: Result): Result {
  return { ...rest, runs: runs.map((each) => 1 / each) };
}

/** How many times less CPU time a call takes. */
function cpu(name: string, ours: string, theirs: string, must: number, aim: number): Goal {
  return {
    name,
    needs: [ours, theirs],
    must,
    aim,
    unit: 'x',
    of: (findings) => compared(findings, ours, theirs, cpuOf),
  };
}

/** How much slower the slowest hundredth is than the peer's. */
function p99(ours: string, theirs: string): Goal {
  return {
    name: `p99 of ${ours} against ${theirs}, 64 in flight`,
    needs: [ours, theirs],
    must: 1,
    aim: 0.5,
    unit: 'x',
    lower: true,
    of: (findings) => inverse(compared(findings, ours, theirs, ({ p99Ms }) => p99Ms)),
  };
}

/** How much more a call costs beside many than beside few. */
function flat(what: string, many: number, few: number): Goal {
  const needs = [`${what}-${many}`, `${what}-${few}`] as const;
  return {
    name: `cost of a call from ${few} to ${many} ${what}`,
    needs,
    must: 1.15,
    aim: 1,
    unit: 'x',
    lower: true,
    of: (findings) => inverse(compared(findings, ...needs, cpuOf)),
  };
}

/** A figure that is no comparison. */
function figure(name: string, of: string, unit: string, must: number, aim: number): Goal {
  return {
    name,
    needs: [of],
    must,
    aim,
    unit,
    lower: true,
    of({ figures }) {
      const runs = figures.get(of) ?? [];
      return { runs, ours: median(runs) };
    },
  };
}

/** Calls or items for each second of CPU time of the busier process: what they would come to on a machine that does nothing else. */
function rate(name: string, of: string, must: number, aim: number, load: LoadName): Goal {
  return {
    name,
    needs: [of],
    must,
    aim,
    unit: '/s',
    of(findings) {
      const runs = samplesOf(
        findings,
        of,
        ({ clientCpu = 0, serverCpu = 0 }) => 1e6 / Math.max(clientCpu, serverCpu),
        load,
      );
      return { runs, ours: median(runs) };
    },
  };
}

/** The table. */
const goals: readonly Goal[] = [
  cpu('tcp against NestJS TCP', 'tcp', 'nest', 3, 6),
  cpu('tcp against Moleculer TCP', 'tcp', 'moleculer', 3, 6),
  cpu('tcp against multiplexed frames on bare sockets', 'tcp', 'frames', 0.15, 0.3),
  cpu('http against HTTP/1.1 on bare sockets', 'http', 'floor', 0.5, 0.75),
  cpu('http against go-micro in Go, client and server', 'http', 'go-micro', 4, 6),
  cpu('http server under wrk against go-micro’s', 'wrk-http', 'wrk-go-micro', 2.5, 4),
  cpu('http server, JSON under wrk, against fastify’s', 'wrk-web-json', 'wrk-fastify', 0.77, 1),
  cpu('http against fastify and undici', 'http', 'fastify', 1.3, 2),
  cpu('HTTP itself, JSON, against fastify and undici', 'web-json', 'fastify', 0.7, 1),
  cpu('HTTP itself against Connect-ES', 'web', 'connect', 3, 6),
  cpu('gRPC itself against @grpc/grpc-js', 'grpc', 'grpc-js', 1.5, 2),
  rate('memory, calls a second', 'memory', 150_000, 250_000, 'small'),
  cpu('memory against http', 'memory', 'http', 3, 3),
  cpu('tcp with five wrappers on each side against NestJS without', 'tcp-wrapped', 'nest', 1.5, 2.5),
  {
    name: 'one async wrapper',
    needs: ['memory', 'memory-async'],
    must: 1,
    aim: 0.5,
    unit: 'us',
    lower: true,
    of(findings) {
      const without = samplesOf(findings, 'memory', cpuOf);
      const runs = samplesOf(findings, 'memory-async', cpuOf).map(
        (each, at) => (each - (without[at] ?? NaN)) / ASYNC_WRAPPERS,
      );
      return { runs, ours: median(runs) };
    },
  },
  p99('http', 'fastify'),
  p99('http', 'go-micro'),
  p99('tcp', 'nest'),
  p99('tcp', 'moleculer'),
  rate('bidi echo over tcp, items a second', 'tcp-stream', 150_000, 350_000, 'stream'),
  figure('select among 10,000 nodes', 'select', 'us', 5, 2),
  figure('RSS of an idle service', 'idle-rss', 'MB', 75, 60),
  figure('import and start to the first answered call', 'first-call', 'ms', 400, 250),
  figure('RSS growth by a slow reader, http', 'slow-reader-http', 'MB', 48, 32),
  figure('RSS growth by a slow reader, tcp', 'slow-reader-tcp', 'MB', 48, 32),
  flat('endpoints', 1_000, 1),
  flat('nodes', 10_000, 1),
  flat('connections', 5_000, 64),
  {
    name: 'the same, of what it becomes on bare sockets',
    needs: ['connections-5000', 'connections-64', 'floor-connections-5000', 'floor-connections-64'],
    must: 1.15,
    aim: 1,
    unit: 'x',
    lower: true,
    of(findings) {
      const ours = compared(findings, 'connections-64', 'connections-5000', cpuOf).runs;
      const theirs = compared(findings, 'floor-connections-64', 'floor-connections-5000', cpuOf).runs;
      return {
        runs: ours.map((each, at) => each / (theirs[at] ?? NaN)),
        ours: median(ours),
        theirs: median(theirs),
      };
    },
  },
];

/** The rows that stand on one of these names; all where there are none. */
export function rowsOf(findings: Findings, names: readonly string[]): readonly Row[] {
  return goals
    .filter(({ needs }) => names.length === 0 || needs.some((name) => names.includes(name)))
    .map((goal) => rowOf(goal, findings));
}

function rowOf(goal: Goal, findings: Findings): Row {
  const { name, needs, must, aim, unit, lower = false } = goal;
  const better = lower ? 'lower' : 'higher';
  const lacks = needs.filter((each) => !findings.measured.has(each) && !findings.figures.has(each));
  if (lacks.length > 0)
    return {
      ...{ name, ratio: null, must, aim, ours: null, theirs: null, runs: [], unit, better, met: null },
      lacks,
    };
  const { runs, ours, theirs } = goal.of(findings);
  const held = median(runs);
  return {
    name,
    ratio: unit === 'x' ? rounded(held) : null,
    must,
    aim,
    ours: rounded(ours),
    theirs: theirs === undefined ? null : rounded(theirs),
    runs: runs.map(rounded),
    unit,
    better,
    met: lower ? held <= must : held >= must,
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
