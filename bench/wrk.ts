import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Contender, Ends, StartOptions } from './contender.js';
import { JsEnd, type End } from './end.js';
import { GoEnd, missingGo } from './go-micro.js';
import type { Load, LoadOptions } from './load.js';
import { missingPeer } from './peers.js';

const SCRIPT = fileURLToPath(new URL('../../bench/peers/wrk.lua', import.meta.url));

/** What the script prints at the end. */
interface Summary extends Load {
  readonly failed: number;
}

/** What `wrk` sends: go-micro's message in protobuf, or JSON to a path of its own. */
type Message =
  { readonly form: 'micro'; readonly path: '/' } | { readonly form: 'json'; readonly path: string };

const MICRO: Message = { form: 'micro', path: '/' };

/** A server alone, called by `wrk`. */
function underWrk(
  name: string,
  about: string,
  serve: (options: StartOptions) => Promise<End>,
  missing: () => string | undefined,
  message = MICRO,
): Contender {
  return {
    name,
    loads: ['small', 'large'],
    missing: () => missingWrk() ?? missing(),
    start: async (options) => ends(about, await serve(options), message),
  };
}

function ends(about: string, server: End, message: Message): Ends {
  const { address } = server.first;
  // What an Octavo server tells is its record.
  const host = address.startsWith('{')
    ? (JSON.parse(address) as { nodes: { address: string }[] }).nodes[0]?.address
    : address.replace('http://', '');
  return {
    about,
    async run(load) {
      const before = await server.ask({});
      const { failed, ...result } = await wrk(`http://${host}${message.path}`, message.form, load);
      const after = await server.ask({});
      if (failed > 0) throw new Error(`${failed} of ${result.calls} calls of ${about} failed`);
      return {
        ...result,
        clientCpu: undefined,
        serverCpu: (after.cpu - before.cpu) / result.calls,
        clientRss: 0,
        serverRss: after.rss,
      };
    },
    stop: () => server.stop(),
  };
}

async function wrk(
  url: string,
  form: Message['form'],
  { ms, size, inFlight }: LoadOptions,
): Promise<Summary> {
  // It knows whole seconds only.
  const seconds = Math.max(1, Math.round(ms / 1_000));
  const { stdout } = await promisify(execFile)(
    'wrk',
    ['-t1', `-c${inFlight}`, `-d${seconds}s`, '-s', SCRIPT, url],
    { env: { ...process.env, SIZE: String(size), FORM: form } },
  );
  // The script prints it as its last line.
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Summary;
}

function missingWrk(): string | undefined {
  try {
    execFileSync('sh', ['-c', 'command -v wrk'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'wrk is not installed (Debian: wrk)';
  }
}

const OCTAVO = new URL('octavo.js', import.meta.url);
const FASTIFY = new URL('../../bench/peers/fastify.mjs', import.meta.url);

export const wrks: readonly Contender[] = [
  underWrk(
    'wrk-http',
    'Octavo’s http server alone, called by wrk',
    ({ profiles }) => JsEnd.start({ role: 'serve', module: OCTAVO, name: 'http', profiles }),
    () => undefined,
  ),
  underWrk(
    'wrk-web-json',
    'Octavo’s http server alone, JSON, called by wrk',
    ({ profiles }) => JsEnd.start({ role: 'serve', module: OCTAVO, name: 'web-json', profiles }),
    () => undefined,
    { form: 'json', path: '/bench.Echo/Echo' },
  ),
  underWrk(
    'wrk-fastify',
    'fastify alone, JSON, called by wrk',
    ({ profiles }) => JsEnd.start({ role: 'serve', module: FASTIFY, name: 'fastify', profiles }),
    missingPeer,
    { form: 'json', path: '/echo' },
  ),
  underWrk('wrk-go-micro', 'go-micro’s server alone, called by wrk', () => GoEnd.start('serve'), missingGo),
];
