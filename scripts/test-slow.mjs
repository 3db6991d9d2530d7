// Runs the tests that take long: a rolling restart, a soak, slow readers. One at a time, as they measure memory and load.
// usage: npm run test:slow [-- --short] [part of a file name ...]
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { end, runTests } from './run-tests.mjs';

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  console.log(
    'usage: npm run test:slow [-- --short] [part of a file name ...]\n\n--short  a few seconds each, as CI runs them',
  );
  process.exit(0);
}
const parts = args.filter((arg) => !arg.startsWith('-'));
const files = readdirSync('test/slow')
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .map((file) => join('test/slow', file))
  .sort();
if (files.length === 0) {
  console.error(`no slow test matches ${parts.join(', ')}`);
  process.exit(1);
}
const OCTAVO_SLOW = args.includes('--short') ? 'short' : 'full';
end(runTests(files, { timeoutMs: 600_000, env: { OCTAVO_SLOW } }));
