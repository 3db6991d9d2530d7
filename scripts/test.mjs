// Runs the tests that need no server with node:test over tsc's output. It lists the .ts sources, so a stale file in dist is never run.
// usage: node scripts/test.mjs [part of a file name ...] [--any-node-test-flag]
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { end, runTests } from './run-tests.mjs';

const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith('-'));
const parts = args.filter((arg) => !arg.startsWith('-'));
/** Folders of tests that need a server, another language or a long time; they have commands of their own. */
const APART = ['slow/', 'interop/fleet/', 'backends/'];
const files = readdirSync('test', { recursive: true })
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => !APART.some((folder) => file.startsWith(folder)))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .map((file) => join('test', file))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${parts.join(', ')}`);
  process.exit(1);
}
end(runTests(files, { atOnce: 2, timeoutMs: 120_000, flags }));
