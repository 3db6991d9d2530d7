import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

export interface ZooKeeperServerOptions {
  /** More lines of its configuration. */
  readonly config?: readonly string[];
}

/** A ZooKeeper server of a test's own, at a port that stays the same when it is killed and started again. */
export class ZooKeeperServer {
  readonly port: number;
  readonly folder: string;
  #process: ServerProcess | undefined;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.folder = folder;
  }

  static async start({ config = [] }: ZooKeeperServerOptions = {}): Promise<ZooKeeperServer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-zookeeper-'));
    const [port = 0] = await freePorts(1);
    const server = new ZooKeeperServer(port, folder);
    const lines = [
      'tickTime=500',
      `dataDir=${server.#data}`,
      'admin.enableServer=false',
      'maxClientCnxns=0',
      '4lw.commands.whitelist=*',
      ...(config.length > 0 ? config : [`clientPort=${server.port}`, 'clientPortAddress=127.0.0.1']),
    ];
    await writeFile(
      server.#file,
      lines.map((line) => `${line.replace('PORT', String(server.port))}\n`).join(''),
    );
    await server.restart();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  get #file(): string {
    return join(this.folder, 'zoo.cfg');
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async pause(): Promise<void> {
    await this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  /** Starts it again where it was, with what it kept, or as one that remembers nothing. */
  async restart({ empty = false } = {}): Promise<void> {
    if (empty) await rm(this.#data, { recursive: true, force: true });
    await mkdir(this.#data, { recursive: true });
    const { server } = await ServerProcess.start('zookeeper-server', [this.#file], this.folder, () =>
      accepts(this.port),
    );
    this.#process = server;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
