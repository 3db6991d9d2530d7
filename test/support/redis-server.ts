import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

export interface RedisServerOptions {
  /** More lines for its configuration: `requirepass`, `user`, `maxmemory`, ... */
  readonly config?: readonly string[];
  /** How it keeps what it has confirmed: over every kill, over most, or not at all. @defaultValue `'always'` */
  readonly fsync?: 'always' | 'everysec' | 'never';
  /** Certificate, key and authority, where it speaks TLS. Callers show a certificate with `clients`. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    readonly ca: string;
    readonly clients?: boolean;
  };
}

/** A Redis server of a test's own, at a port that stays the same when it is killed and started again. It writes each command to its file. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  #process: ServerProcess;

  private constructor(port: number, folder: string, process: ServerProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  static async start({ config = [], fsync = 'always', tls }: RedisServerOptions = {}): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-redis-'));
    const [port = 0] = await freePorts(1);
    const lines = [
      'bind 127.0.0.1',
      tls === undefined ? `port ${port}` : `port 0\ntls-port ${port}`,
      `dir ${folder}`,
      'save ""',
      ...(fsync === 'never' ? ['appendonly no'] : ['appendonly yes', `appendfsync ${fsync}`]),
      ...(tls === undefined
        ? []
        : [
            `tls-cert-file ${tls.cert}`,
            `tls-key-file ${tls.key}`,
            `tls-ca-cert-file ${tls.ca}`,
            `tls-auth-clients ${tls.clients === true ? 'yes' : 'no'}`,
          ]),
      ...config,
    ];
    await writeFile(join(folder, 'redis.conf'), lines.join('\n'));
    return new RedisServer(port, folder, await launch(folder, port));
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
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

  /** Starts it again where it was, with what it had written, or with nothing. */
  async restart({ empty = false } = {}): Promise<void> {
    if (empty) await rm(join(this.#folder, 'appendonlydir'), { recursive: true, force: true });
    this.#process = await launch(this.#folder, this.port);
  }

  async stop(): Promise<void> {
    await this.#process.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function launch(folder: string, port: number): Promise<ServerProcess> {
  const { server } = await ServerProcess.start('redis-server', [join(folder, 'redis.conf')], folder, () =>
    accepts(port),
  );
  return server;
}
