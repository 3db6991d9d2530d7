// What the scripts that run tests share.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The tests that failed, over all runs. */
let failed = '';

/**
 * Runs test files with node:test, and returns whether all passed.
 *
 * @param files the .ts sources, relative to the project: what is run is tsc's output of them
 * @param timeoutMs after how long a file that hangs fails, rather than keeping everybody waiting
 * @param inside a command that the whole runs inside of
 */
export function runTests(files, { atOnce = 1, timeoutMs, flags = [], env = {}, inside = [] }) {
  if (files.length === 0) return true;
  const folder = mkdtempSync(join(tmpdir(), 'octavo-tests-'));
  const list = join(folder, 'failures');
  const [command, ...args] = [
    ...[...inside, process.execPath, '--enable-source-maps', '--test'],
    ...[`--test-concurrency=${atOnce}`, `--test-timeout=${timeoutMs}`],
    ...(flags.some((flag) => flag.startsWith('--test-reporter')) ? [] : reporters(list)),
    ...flags,
    ...files.map((file) => join('dist', file.replace(/\.ts$/, '.js'))),
  ];
  const { status } = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  try {
    failed += readFileSync(list, 'utf8');
  } catch {
    // Somebody has asked for a reporter of his own.
  }
  rmSync(folder, { recursive: true });
  return status === 0;
}

/** Ends the process. What failed is said last: a long output hides it. */
export function end(passed) {
  if (failed !== '') console.error(`\nFAILED\n\n${failed}`);
  process.exit(passed ? 0 : 1);
}

function reporters(list) {
  const own = fileURLToPath(new URL('failures.mjs', import.meta.url));
  return [
    ...[`--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`, '--test-reporter-destination=stdout'],
    ...[`--test-reporter=${own}`, `--test-reporter-destination=${list}`],
  ];
}
