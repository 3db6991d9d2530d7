import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pair } from './certificates.js';
import { answers } from './etcd-server.js';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

export interface ConsulServerOptions {
  /** Whether a restart remembers, which takes a second longer to start. @defaultValue `false` */
  readonly remembers?: boolean;
  /** More of its configuration, such as `acl`. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tls?: Pair & {
    /** The authority of clients, who must show a certificate with it. */
    readonly clientCa?: string;
  };
}

/** A Consul agent, which is its own server, of a test's own, at a port that stays the same when it is killed and started again. */
export class ConsulServer {
  readonly port: number;
  readonly #folder: string;
  readonly #secure: boolean;
  readonly #remembers: boolean;
  #data = 0;
  #process!: ServerProcess;

  private constructor(port: number, folder: string, secure: boolean, remembers: boolean) {
    this.port = port;
    this.#folder = folder;
    this.#secure = secure;
    this.#remembers = remembers;
  }

  static async start({
    config = {},
    tls,
    remembers = false,
  }: ConsulServerOptions = {}): Promise<ConsulServer> {
    const [port = 0, lan, wan, rpc] = await freePorts(4);
    const folder = await mkdtemp(join(tmpdir(), 'octavo-consul-'));
    const [http, https] = tls === undefined ? [port, -1] : [-1, port];
    const secured = tls && {
      tls: {
        https: {
          cert_file: tls.cert,
          key_file: tls.key,
          ...(tls.clientCa !== undefined && { ca_file: tls.clientCa, verify_incoming: true }),
        },
      },
    };
    const all = {
      node_name: 'octavo',
      bind_addr: '127.0.0.1',
      client_addr: '127.0.0.1',
      ports: { http, https, dns: -1, grpc: -1, serf_lan: lan, serf_wan: wan, server: rpc },
      ...(remembers && { server: true, bootstrap_expect: 1, performance: { raft_multiplier: 1 } }),
      log_level: 'err',
      ...secured,
      ...config,
    };
    await writeFile(join(folder, 'consul.json'), JSON.stringify(all));
    const server = new ConsulServer(port, folder, tls !== undefined, remembers);
    await server.#run();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Asks its API, as an operator does. */
  async ask(method: string, path: string, body?: unknown, token = ''): Promise<unknown> {
    const asked = { method, headers: { 'x-consul-token': token } };
    const answer = await fetch(`http://${this.address}${path}`, {
      ...asked,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Takes away whatever is registered, and waits until everybody knows. */
  async clear(): Promise<void> {
    for (const id of Object.keys((await this.ask('GET', '/v1/agent/services')) as object))
      await this.ask('PUT', `/v1/agent/service/deregister/${encodeURIComponent(id)}`);
    for (let names = ['']; names.length > 0;)
      names = Object.keys((await this.ask('GET', '/v1/catalog/services')) as object).filter(
        (name) => name !== 'consul',
      );
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

  /** It is there when it has elected itself. */
  async #run(): Promise<void> {
    const data = this.#remembers ? ['-data-dir', join(this.#folder, String(this.#data))] : ['-dev'];
    const { server } = await ServerProcess.start(
      'consul',
      ['agent', '-config-file', join(this.#folder, 'consul.json'), ...data],
      this.#folder,
      () => (this.#secure ? accepts(this.port) : answers(this.port, '/v1/health/service/consul')),
    );
    this.#process = server;
  }
}
