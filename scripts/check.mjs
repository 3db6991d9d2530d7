// What CI does, step by step; stops at the first step that fails and shows what it printed.
// usage: npm run check [-- STEP ...]
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';

const STEPS = [
  ['format', 'npm', 'run', '--silent', 'format:check'],
  ['build', 'npm', 'run', '--silent', 'build'],
  ['surface', 'npm', 'run', '--silent', 'surface', '--', '--check'],
  ['lint', 'npm', 'run', '--silent', 'lint'],
  ['dead', 'npm', 'run', '--silent', 'dead'],
  ['test', 'node', 'scripts/test.mjs'],
  ['packaging', 'npm', 'run', '--silent', 'packaging'],
];

const wanted = process.argv.slice(2);
const names = STEPS.map(([name]) => name);
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  const help = unknown.includes('--help') || unknown.includes('-h');
  console.log(
    `usage: npm run check [-- STEP ...]\n\nRuns these, in order, or only those named: ${names.join(', ')}`,
  );
  process.exit(help ? 0 : 2);
}

for (const [name, command, ...args] of STEPS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const begin = performance.now();
  const { status, output } = await run(command, args);
  const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(10)} ${seconds} s${summary(output)}`);
  if (status === 0) continue;
  // Whatever passed is of no use to somebody who looks for what did not.
  console.log(failures(output));
  process.exitCode = 1;
  break;
}

/** The failing tests of a test run; of anything else all of it. */
function failures(output) {
  const blocks = output.match(/^ *not ok [^]*?^ *\.\.\.$/gm);
  return blocks === null ? output : blocks.join('\n');
}

/** How many tests there were, where the output says so. */
function summary(output) {
  const count = (what) => output.match(new RegExp(`^(?:#|ℹ) ${what} (\\d+)$`, 'm'))?.[1];
  return count('tests') === undefined
    ? ''
    : `   ${count('pass')} of ${count('tests')} tests, ${count('skipped')} skipped`;
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.on('close', (code) => resolve({ status: code ?? 1, output }));
  });
}
