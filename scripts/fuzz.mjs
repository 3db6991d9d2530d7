// Tries the parsers that face the network with damaged inputs, for as long as it is told.
// usage: npm run fuzz -- --help
import { parseArgs } from 'node:util';
import { tryOut } from '../dist/test/fuzz/campaign.js';
import { targets } from '../dist/test/fuzz/targets.js';

const HELP = `usage: npm run fuzz -- [--seconds N] [--inputs N] [--seed N] [NAME ...]

Tries parsers with inputs that began as valid ones and were damaged. Without a bound each gets 10 seconds.

  --seconds N   for how long, all of them together
  --inputs N    how many inputs each gets
  --seed N      the same inputs again; printed at the start and with every finding
  NAME          only these: ${targets.map(({ name }) => name).join(', ')}`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    inputs: { type: 'string' },
    seed: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit();
}
const unknown = positionals.filter((name) => !targets.some((target) => target.name === name));
const numbers = ['seconds', 'inputs', 'seed'].filter((name) => !/^\d+$/.test(values[name] ?? '0'));
if (unknown.length > 0 || numbers.length > 0) {
  const faults = [
    ...unknown.map((name) => `no parser is called ${name}`),
    ...numbers.map((name) => `--${name} takes a whole number`),
  ];
  console.error(`${faults.join('\n')}\n\n${HELP}`);
  process.exit(2);
}

const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const inputs = Number(values.inputs ?? Infinity);
const seconds = Number(values.seconds ?? (values.inputs === undefined ? 10 * chosen.length : Infinity));
console.log(`seed ${seed}`);

let shownAt = Date.now();
for (const target of chosen) {
  const bounds = { seed, inputs, ms: (seconds * 1_000) / chosen.length };
  const report = await tryOut(target, bounds, (so) => {
    if (Date.now() - shownAt < (process.stdout.isTTY ? 500 : 10_000)) return;
    shownAt = Date.now();
    process.stdout.write(process.stdout.isTTY ? `\r${line(so)}` : `${line(so)} so far\n`);
  });
  if (process.stdout.isTTY) process.stdout.write('\r');
  console.log(line(report));
  if (report.failure === undefined) continue;
  console.error(`${report.failure}\nagain: npm run fuzz -- --seed ${seed} ${target.name}`);
  process.exitCode = 1;
}

function line({ name, inputs: tried, read, ms, slowestMs, growth }) {
  const rate = Math.round(tried / (ms / 1_000));
  const share = Math.round((100 * read) / Math.max(1, tried));
  const grown = `${(growth / 1_024).toFixed(0)} KiB more held`;
  return `${name.padEnd(14)} ${tried} inputs in ${(ms / 1_000).toFixed(1)} s (${rate}/s), ${share} % read, slowest ${slowestMs.toFixed(1)} ms, ${grown}`;
}
