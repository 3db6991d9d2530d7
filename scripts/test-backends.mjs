// Runs the tests that need a real server: the files under test/backends. Each starts a server of its own.
// usage: npm run test:backends [-- BACKEND ...] [--any-node-test-flag]
import { accessSync, constants, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { end, runTests } from './run-tests.mjs';

/** Each backend, and the commands that start its servers. The name is what its test files begin with. */
const SERVERS = {
  nats: 'nats-server',
  'nats-broker': 'nats-server',
  'nats-jetstream': 'nats-server',
  'nats-registry': 'nats-server',
  rabbitmq: 'rabbitmq-server',
  'rabbitmq-broker': 'rabbitmq-server',
  kafka: 'kafka-java',
  nsq: 'nsqd',
  redis: 'redis-server',
  etcd: 'etcd',
  'etcd-v2': 'etcd',
  consul: 'consul',
  zookeeper: 'zookeeper-server',
  kubernetes: ['kube-apiserver', 'etcd'],
  multi: ['zookeeper-server', 'etcd'],
};
/** What no service stands on, and what takes all of the others. */
const COMMANDS = {
  ...SERVERS,
  samples: Object.values(SERVERS).flat(),
  grpc: 'go',
  'grpc-interop': ['grpc-interop-client', 'grpc-interop-server'],
  'grpc-python': 'grpc-python',
  'grpc-micro': 'go',
  grpcurl: 'grpcurl',
  jaeger: 'jaeger',
  prometheus: ['prometheus', 'promtool'],
  connect: 'protoc',
  browser: ['chromium', 'protoc'],
};

const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith('-'));
const asked = args.filter((arg) => !arg.startsWith('-'));
const unknown = asked.filter((name) => !(name in COMMANDS));
if (unknown.length > 0 || flags.includes('--help')) {
  console.log(
    `usage: npm run test:backends [-- BACKEND ...]\n\nRuns the tests of all, or of those named: ${Object.keys(COMMANDS).join(', ')}`,
  );
  process.exit(unknown.length > 0 ? 2 : 0);
}

const bin = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'octavo', 'bin');
const path = [bin, process.env.PATH].join(delimiter);
const wanted = asked.length === 0 ? Object.keys(COMMANDS) : asked;
const missing = wanted.filter((name) => lacking(name).length > 0);
for (const name of missing)
  console.error(
    `\n!!! ${name} is NOT TESTED: there is no ${lacking(name).join(', ')}. Run scripts/install-backends.sh${name === 'samples' ? '' : ` ${name}`}\n`,
  );

const files = readdirSync('test/backends')
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => wanted.includes(backendOf(file)) && !missing.includes(backendOf(file)))
  .sort();
// What measures how soon something happens, or has a server die under load, has the machine for itself.
const passed = [
  run(files.filter(isPatient), 2),
  run(
    files.filter((file) => !isPatient(file)),
    1,
  ),
].every(Boolean);
// On a machine of one's own a server may be missing; where it counts it may not.
end(passed && (missing.length === 0 || process.env.CI !== 'true'));

/** Runs files of tests, so many at once. */
function run(some, atOnce) {
  const paths = some.map((file) => join('test/backends', file));
  return runTests(paths, { atOnce, timeoutMs: 180_000, flags, env: { PATH: path } });
}

/** Whether a file asks whether something is so, and not how soon. */
function isPatient(file) {
  return /^(browser|connect|grpc|grpcurl|jaeger|prometheus)-|-(auth|go-micro|go-plugins|matrix|peers|tls)\.test/.test(
    file,
  );
}

/** What a file is a test of: of `etcd` and `etcd-v2` the longer name. */
function backendOf(file) {
  const names = Object.keys(COMMANDS).filter((name) => file.startsWith(`${name}-`));
  return names.sort((a, b) => b.length - a.length)[0];
}

function lacking(name) {
  return [...new Set([COMMANDS[name]].flat())].filter((command) => !isThere(command));
}

function isThere(command) {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
