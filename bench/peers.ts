import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../bench', import.meta.url));
const INSTALLED = `${FOLDER}/node_modules/.package-lock.json`;

/** Installs the peers where they are not yet. */
export function installPeers(): void {
  if (existsSync(INSTALLED)) return;
  process.stderr.write('installing the peers of bench/package.json: npm ci --prefix bench\n');
  const begin = performance.now();
  const run = spawnSync('npm', ['ci', '--prefix', FOLDER, '--no-audit', '--no-fund', '--loglevel', 'error'], {
    stdio: ['ignore', 2, 2],
  });
  const took = ((performance.now() - begin) / 1_000).toFixed(0);
  process.stderr.write(run.status === 0 ? `installed in ${took} s\n` : 'the peers could not be installed\n');
}

/** Why the peers of `bench/package.json` cannot run. */
export function missingPeer(): string | undefined {
  return existsSync(INSTALLED) ? undefined : 'it is not installed: npm ci --prefix bench';
}
