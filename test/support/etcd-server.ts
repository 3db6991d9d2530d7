import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pair } from './certificates.js';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

export interface EtcdServerOptions {
  /** More arguments for `etcd`, such as `--enable-v2`. */
  readonly args?: readonly string[];
  readonly tls?: Pair & {
    /** The authority of clients, who must show a certificate with it. */
    readonly clientCa?: string;
  };
}

/** An etcd of a test's own, at a port that stays the same when it is killed and started again. */
export class EtcdServer {
  readonly port: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  readonly #secure: boolean;
  #data = 0;
  #process!: ServerProcess;

  private constructor(port: number, folder: string, args: readonly string[], secure: boolean) {
    this.port = port;
    this.#folder = folder;
    this.#args = args;
    this.#secure = secure;
  }

  static async start(options: EtcdServerOptions = {}): Promise<EtcdServer> {
    const [port = 0, peers = 0] = await freePorts(2);
    return EtcdServer.#member(options, 'm0', port, peers, [peers]);
  }

  /** Some that are members of one cluster. */
  static async cluster(members: number, options: EtcdServerOptions = {}): Promise<EtcdServer[]> {
    const ports = await freePorts(2 * members);
    const peers = ports.slice(members);
    // None of them is well before most are there.
    return Promise.all(
      peers.map((peer, n) => EtcdServer.#member(options, `m${n}`, ports[n] ?? 0, peer, peers)),
    );
  }

  static async #member(
    { args = [], tls }: EtcdServerOptions,
    name: string,
    port: number,
    peer: number,
    peers: readonly number[],
  ): Promise<EtcdServer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-etcd-'));
    const client = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
    const own = `http://127.0.0.1:${peer}`;
    const all = peers.map((each, n) => `m${n}=http://127.0.0.1:${each}`).join();
    const urls = [
      ['--listen-client-urls', client, '--advertise-client-urls', client],
      ['--listen-peer-urls', own, '--initial-advertise-peer-urls', own],
      ['--initial-cluster', all, '--name', name, '--log-level', 'error'],
    ].flat();
    const secured = tls === undefined ? [] : ['--cert-file', tls.cert, '--key-file', tls.key];
    if (tls?.clientCa !== undefined) secured.push('--client-cert-auth', '--trusted-ca-file', tls.clientCa);
    const server = new EtcdServer(port, folder, [...urls, ...secured, ...args], tls !== undefined);
    await server.#run();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Asks its JSON gateway, as an operator does: `kv/compaction`, `auth/enable`. */
  async ask(path: string, body: object = {}, token?: string): Promise<Record<string, unknown>> {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: token }) };
    const asked = { method: 'POST', headers, body: JSON.stringify(body) };
    const answer = await fetch(`http://${this.address}/v3/${path}`, asked);
    const said = (await answer.json()) as Record<string, unknown>;
    if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(said)}`);
    return said;
  }

  /** Makes it forget everything that was before now. */
  async compact(): Promise<void> {
    const { header } = await this.ask('kv/put', { key: base64('/other'), value: base64('x') });
    await this.ask('kv/compaction', { revision: (header as { revision: string }).revision, physical: true });
  }

  /** Lets in those who have a password, and nobody else; `ada` reads and writes this prefix. */
  async restrict(password: string, prefix: string): Promise<void> {
    const end = prefix.slice(0, -1) + String.fromCodePoint((prefix.codePointAt(prefix.length - 1) ?? 0) + 1);
    const range = { permType: 'READWRITE', key: base64(prefix), range_end: base64(end) };
    await this.ask('auth/role/add', { name: 'root' });
    await this.ask('auth/role/add', { name: 'registry' });
    await this.ask('auth/role/grant', { name: 'registry', perm: range });
    for (const [name, role] of [
      ['root', 'root'],
      ['ada', 'registry'],
      ['bob', ''],
    ]) {
      await this.ask('auth/user/add', { name, password });
      if (role !== '') await this.ask('auth/user/grant', { user: name, role });
    }
    await this.ask('auth/enable');
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  pause(): Promise<void> {
    return this.#process.pause();
  }

  resume(): void {
    this.#process.resume();
  }

  /** Starts it again where it was, with what it had or as one that has nothing. */
  async restart({ empty = false } = {}): Promise<void> {
    if (empty) this.#data++;
    await this.#run();
  }

  async stop(): Promise<void> {
    await this.#process.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    const { server } = await ServerProcess.start(
      'etcd',
      ['--data-dir', join(this.#folder, String(this.#data)), ...this.#args],
      this.#folder,
      () => (this.#secure ? accepts(this.port) : answers(this.port, '/health')),
    );
    this.#process = server;
  }
}

/** Whether a server answers there that all is well. */
export function answers(port: number, path: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path, agent: false, timeout: 1_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200 ? true : undefined);
    });
    asked.once('error', () => resolve(undefined));
    asked.once('timeout', () => asked.destroy());
    asked.end();
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
