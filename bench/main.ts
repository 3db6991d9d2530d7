import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Contender } from './contender.js';
import { contenders } from './contenders.js';
import { figureSources, figuresOf } from './figures.js';
import { check } from './guard.js';
import { installPeers, missingPeer } from './peers.js';
import { plotOf } from './plot.js';
import { profilesIn } from './profile.js';
import { Progress } from './progress.js';
import { loadsTable, machine, rowsTable } from './report.js';
import { inRounds } from './rounds.js';
import { rowsOf } from './rows.js';

const RESULTS = fileURLToPath(new URL('../../bench/results', import.meta.url));

const HELP = `usage: npm run bench -- [NAME ...] [--rounds N] [--seconds N] [--json] [--svg] [--profile]
       npm run bench -- --check [--update]

Measures what calls cost: client and server in processes of their own, messages of 100 bytes and 64 in flight, then 1 in flight, then 10 KB.
Everything is measured in turn, round by round, and compared within its round. What is compared is CPU time, client and server together.
Without a NAME all is measured, in a few minutes; peers are installed when they are first needed. Figures are left in bench/results.

  NAME         ${listed(contenders.map(({ name }) => name))},
               ${listed(figureSources.map(({ name }) => name))}
  --rounds N   how often each is measured; medians are shown (default 5)
  --seconds N  how long each is measured in a round (default 1)
  --json       one JSON object for each row that has a goal, one a line; ends with 1 where one misses its must
  --svg        also draws bench/results/latest.svg
  --profile    shows in which functions the JavaScript ends spent their time; the figures are then of no use
  --check      compares allocations, promises, bytes and system calls for each call with bench/baseline.json; ends with 1 where one grew
  --update     with --check: writes them there`;

/** Names in lines that are not too long. */
function listed(names: readonly string[]): string {
  const lines: string[][] = [[]];
  for (const name of names) {
    if ([...(lines.at(-1) ?? []), name].join(', ').length > 100) lines.push([]);
    lines.at(-1)?.push(name);
  }
  return lines.map((line) => line.join(', ')).join(',\n               ');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    svg: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) console.log(HELP);
else if (values.check) process.exitCode = (await check(values.update)) ? 0 : 1;
else await main();

async function main(): Promise<void> {
  const known = [...contenders, ...figureSources].map(({ name }) => name);
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`there is no ${unknown.join(', ')}\n\n${HELP}`);
    process.exit(2);
  }
  const rounds = positive('rounds');
  const ms = positive('seconds') * 1_000;
  if (wanted(contenders).some((contender) => contender.missing === missingPeer)) installPeers();
  const running = wanted(contenders).filter(isThere);
  const figuring = wanted(figureSources);
  const progress = new Progress();
  const profiles = values.profile ? join(RESULTS, 'profiles') : undefined;
  if (profiles !== undefined) rmSync(profiles, { recursive: true, force: true });
  const measured = await inRounds(running, { rounds, ms, profiles }, progress);
  const figures = await figuresOf(figuring, rounds, progress);
  progress.end();
  const names = positionals.length === 0 ? [] : [...positionals, ...figuring.flatMap(({ gives }) => gives)];
  const rows = rowsOf({ measured: new Map(measured.map((each) => [each.name, each])), figures }, names);
  const when = new Date().toISOString();
  const caption = `${machine()}, 100 bytes, 64 in flight, medians of ${rounds} rounds of ${ms / 1_000} s`;
  mkdirSync(RESULTS, { recursive: true });
  const result = { when, caption, rows, figures: Object.fromEntries(figures), measured };
  for (const name of ['latest', when.replaceAll(':', '-')])
    writeFileSync(join(RESULTS, `${name}.json`), JSON.stringify(result, undefined, 1));
  if (values.svg) writeFileSync(join(RESULTS, 'latest.svg'), plotOf(measured, caption));
  if (values.json) for (const row of rows) console.log(JSON.stringify(row));
  else {
    if (measured.length > 0) console.log(`${caption}\n\n${loadsTable(measured)}\n`);
    if (rows.length > 0) console.log(rowsTable(rows));
    if (profiles !== undefined) console.log(`\n${profilesIn(profiles)}`);
  }
  if (values.json && rows.some(({ met }) => met === false)) process.exitCode = 1;
}

function wanted<T extends { readonly name: string }>(all: readonly T[]): readonly T[] {
  return all.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
}

/** What cannot run is named and left out; it is an error where it was asked for. */
function isThere({ name, missing }: Pick<Contender, 'name' | 'missing'>): boolean {
  const why = missing?.();
  if (why === undefined) return true;
  if (positionals.includes(name)) {
    console.error(`${name} cannot be measured: ${why}`);
    process.exit(1);
  }
  process.stderr.write(`!!! ${name} is SKIPPED: ${why}\n`);
  return false;
}

function positive(name: 'rounds' | 'seconds'): number {
  const value = Number(values[name]);
  if (!(value > 0)) {
    console.error(`--${name} takes a number above 0, not "${values[name]}"`);
    process.exit(2);
  }
  return value;
}
