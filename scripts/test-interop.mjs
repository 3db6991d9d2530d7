// Runs test/interop/fleet, which needs go-micro: builds its peers with Go, and runs the tests in a network of their own.
// What is built is kept in a cache folder outside the checkout.
// usage: npm run test:interop [-- part of a file name ...] [--any-node-test-flag]
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { end, runTests } from './run-tests.mjs';

const SOURCES = 'test/interop/peers';
const VERSIONS = ['v4', 'v5'];
const TESTS = 'test/interop/fleet';

const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith('-'));
const parts = args.filter((arg) => !arg.startsWith('-'));
if (flags.includes('--help') || flags.includes('-h')) {
  console.log('usage: npm run test:interop [-- part of a file name ...] [--any-node-test-flag]');
  process.exit(0);
}

const go = printed('go', ['version']);
if (go === undefined) missing('Go is not installed', 'install it (Debian: golang-go, 1.19 or later)');
const peers = build(go);
const inside = network();
// go-micro's mDNS speaks on every interface there is, so on any network that it is given.
if (inside === undefined)
  missing(
    'no network namespace can be made',
    'run as root, or allow user namespaces to others (util-linux, iproute2)',
  );
const files = readdirSync(TESTS)
  .filter(
    (file) => file.endsWith('.test.ts') && (parts.length === 0 || parts.some((part) => file.includes(part))),
  )
  .map((file) => join(TESTS, file));
if (files.length === 0) {
  console.error(`no test file matches ${parts.join(', ')}`);
  process.exit(1);
}
// One file after the other: services of one name in two files would find each other.
end(runTests(files, { timeoutMs: 120_000, flags, inside, env: { OCTAVO_GO_PEERS: peers } }));

/** Builds the peers where that was not done yet for these sources, and returns the folder that they are in. */
function build(toolchain) {
  const sources = readdirSync(SOURCES).filter((file) => file.endsWith('.go'));
  const modules = VERSIONS.map((version) => join(version, 'go.mod'));
  const hash = createHash('sha256').update(toolchain);
  for (const file of [...sources, ...modules])
    hash.update(`\0${file}\0`).update(readFileSync(join(SOURCES, file)));
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const folder = join(cache, 'octavo', `go-micro-peers-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  const begin = Date.now();
  const work = `${folder}.${process.pid}`;
  for (const version of VERSIONS) {
    const source = join(work, 'src', version);
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, 'go.mod'), readFileSync(join(SOURCES, version, 'go.mod')));
    for (const file of sources) {
      const text = readFileSync(join(SOURCES, file), 'utf8');
      writeFileSync(join(source, file), text.replaceAll('"go-micro.dev/v4', `"go-micro.dev/${version}`));
    }
    console.log(`building the go-micro ${version} peer`);
    const run = spawnSync('go', ['build', '-mod=mod', '-o', join(work, version), '.'], {
      cwd: source,
      stdio: 'inherit',
    });
    if (run.status !== 0) {
      rmSync(work, { recursive: true, force: true });
      missing(`the go-micro ${version} peer cannot be built`, 'see above; it needs the Go module proxy');
    }
  }
  rmSync(join(work, 'src'), { recursive: true });
  // Whoever else built the same meanwhile has the same.
  if (existsSync(folder)) rmSync(work, { recursive: true });
  else renameSync(work, folder);
  console.log(`built the peers in ${((Date.now() - begin) / 1_000).toFixed(1)} s, into ${folder}`);
  return folder;
}

/** What to put before a command so that it has a network of its own, with nothing in it but loopback; `undefined` where that is not allowed. */
function network() {
  const own = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
  const setUp =
    'ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo && exec "$0" "$@"';
  const inside = ['unshare', ...own, 'sh', '-c', setUp];
  return printed(inside[0], [...inside.slice(1), 'true']) === undefined ? undefined : inside;
}

/** Says loudly what is missing. In CI that is a failure. */
function missing(what, remedy) {
  const ci = process.env.CI === 'true';
  console.error(`\n!!! ${what}: ${remedy}\n!!! THE TESTS WITH go-micro ${ci ? 'FAIL' : 'ARE SKIPPED'}\n`);
  process.exit(ci ? 1 : 0);
}

function printed(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
}
