// `npm start`: the greeter and a client of it, two processes that find each other by mDNS on loopback.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Everything here ends within this time, or something is wrong. */
const LIMIT_MS = 9_000;

// Nothing leaves this machine, unless the environment says otherwise.
const env = {
  MICRO_REGISTRY: 'mdns',
  MICRO_REGISTRY_ADDRESS: '127.0.0.1',
  MICRO_LOG_LEVEL: 'info',
  ...process.env,
};

const children = new Set<ChildProcess>();
const limit = setTimeout(() => {
  process.stderr.write(`the sample did not end within ${LIMIT_MS} ms\n`);
  for (const child of children) child.kill('SIGKILL');
  process.exitCode = 1;
}, LIMIT_MS);

const server = start('server', 'server.js');
const arrived = server.line(/^the event /);
const tour = start('client', 'tour.js');
const status = await tour.ended;
// The client only publishes; that the event arrived is for the server to say.
if (status === 0) await Promise.race([arrived, server.ended]);
server.child.kill('SIGTERM');
const stopped = await server.ended;
clearTimeout(limit);
process.exitCode ||= status || stopped;

interface Running {
  readonly child: ChildProcess;
  /** The exit status; 1 for an end by a signal. */
  readonly ended: Promise<number>;
  /** Resolves with the first line like this. */
  line(like: RegExp): Promise<string>;
}

/** Starts a process and prints its lines behind its name. */
function start(name: string, file: string): Running {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ['--enable-source-maps', path], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const waiting: { readonly like: RegExp; readonly resolve: (line: string) => void }[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      process.stdout.write(`${name}  ${line}\n`);
      for (const { like, resolve } of waiting) if (like.test(line)) resolve(line);
    });
  const ended = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : 1));
  return { child, ended, line: (like) => new Promise((resolve) => waiting.push({ like, resolve })) };
}
