import { cpus } from 'node:os';
import { cpuOf, type LoadName, type Sample } from './contender.js';
import type { Measured } from './rounds.js';
import type { Row } from './rows.js';
import { median, spread } from './statistics.js';

/** What it was measured on. */
export function machine(): string {
  return `Node ${process.version}, ${cpus().length} cores`;
}

/** What was measured in rounds, as a table. */
export function loadsTable(measured: readonly Measured[]): string {
  const header = [
    'variant',
    'CPU us/call',
    'spread',
    'of it client',
    'calls/s',
    'p50 ms',
    'p99 ms',
    '1 in flight, ms',
    '10 KB, CPU us',
    '10 KB, calls/s',
    'MB client/server',
  ];
  const rows = measured.map(({ name, samples }) => {
    const main = samples.small ?? samples.stream ?? [];
    const of = (pick: (sample: Sample) => number, load?: LoadName): number =>
      median((load === undefined ? main : (samples[load] ?? [])).map(pick));
    const mb = (bytes: number): string => (bytes === 0 ? '-' : String(Math.round(bytes / 2 ** 20)));
    return [
      name,
      text(of(cpuOf), 1),
      `${Math.round(spread(main.map(cpuOf)) * 100)} %`,
      text(
        of(({ clientCpu }) => clientCpu ?? NaN),
        1,
      ),
      text(
        of(({ perSecond }) => perSecond),
        0,
      ),
      samples.small
        ? text(
            of(({ p50Ms }) => p50Ms),
            2,
          )
        : '-',
      samples.small
        ? text(
            of(({ p99Ms }) => p99Ms),
            2,
          )
        : '-',
      text(
        of(({ p50Ms }) => p50Ms, 'single'),
        3,
      ),
      text(of(cpuOf, 'large'), 1),
      text(
        of(({ perSecond }) => perSecond, 'large'),
        0,
      ),
      `${mb(of(({ clientRss }) => clientRss))}/${mb(of(({ serverRss }) => serverRss))}`,
    ];
  });
  return table([header, ...rows]);
}

/** The rows that have goals, as a table. */
export function rowsTable(rows: readonly Row[]): string {
  const header = ['what', 'measured', 'spread', 'must', 'aim', '', 'ours', 'theirs'];
  return table([
    header,
    ...rows.map(({ name, runs, must, aim, unit, met, better, ours, theirs, lacks }) => [
      name,
      lacks === undefined ? `${figure(median(runs))} ${unit}` : '-',
      runs.length > 1 ? `${Math.round(spread(runs) * 100)} %` : '-',
      `${better === 'lower' ? '<=' : '>='} ${figure(must)}`,
      figure(aim),
      lacks === undefined ? (met === true ? 'met' : 'MISSED') : `no ${lacks.join(', ')}`,
      ours === null || unit !== 'x' ? '-' : figure(ours),
      theirs === null ? '-' : figure(theirs),
    ]),
  ]);
}

/** Cells in columns, the first to the left, as Markdown has them. */
function table([header = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = header.map((cell, at) => Math.max(cell.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const padded = (cell: string, at: number): string =>
    at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
  const line = (cells: readonly string[]): string => `| ${cells.map(padded).join(' | ')} |`;
  const rule = widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(header), line(rule), ...rows.map(line)].join('\n');
}

function text(value: number, digits: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(digits);
}

function figure(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
}
