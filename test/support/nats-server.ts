import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

const STORE = 'store';

export interface NatsServerOptions {
  /** More arguments for `nats-server`, such as `--user`. */
  readonly args?: readonly string[];
  /** The text of a configuration file. */
  readonly config?: string;
  /** Whether it keeps streams, in a folder of its own. */
  readonly jetStream?: boolean;
  /** Whether it tells of its connections, by HTTP. */
  readonly monitored?: boolean;
}

/** A NATS server of a test's own, at a port that stays the same when it is killed and started again. */
export class NatsServer {
  readonly port: number;
  /** Where it tells of its connections. */
  readonly monitor: string;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: ServerProcess;

  private constructor(
    {
      port,
      monitorPort,
      folder,
      args,
    }: { port: number; monitorPort: number; folder: string; args: readonly string[] },
    process: ServerProcess,
  ) {
    this.port = port;
    this.monitor = `127.0.0.1:${monitorPort}`;
    this.#folder = folder;
    this.#args = args;
    this.#process = process;
  }

  static async start({
    args = [],
    config,
    jetStream,
    monitored,
  }: NatsServerOptions = {}): Promise<NatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-nats-'));
    const fixed = ['--addr', '127.0.0.1', ...args];
    if (jetStream === true) fixed.push('--jetstream', '--store_dir', join(folder, STORE));
    const [monitorPort = 0] = monitored === true ? await freePorts(1) : [];
    if (monitored === true) fixed.push('--http_port', String(monitorPort));
    if (config !== undefined) {
      const file = join(folder, 'nats.conf');
      await writeFile(file, config);
      fixed.push('--config', file);
    }
    const { server, ready } = await ServerProcess.start(
      'nats-server',
      [...fixed, '--port', '-1', '--ports_file_dir', folder],
      folder,
      () => portIn(folder),
    );
    return new NatsServer({ port: ready, monitorPort, folder, args: fixed }, server);
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

  /** Starts it again where it was, with the streams that it kept, or `empty`. */
  async restart({ empty = false }: { readonly empty?: boolean } = {}): Promise<void> {
    if (empty) await rm(join(this.#folder, STORE), { recursive: true, force: true });
    const { server } = await ServerProcess.start(
      'nats-server',
      [...this.#args, '--port', String(this.port)],
      this.#folder,
      () => accepts(this.port),
    );
    this.#process = server;
  }

  async stop(): Promise<void> {
    await this.#process.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The port that the server says it listens on, once it says so. */
async function portIn(folder: string): Promise<number | undefined> {
  const file = (await readdir(folder)).find((name) => name.endsWith('.ports'));
  const text = file === undefined ? '' : await readFile(join(folder, file), 'utf8');
  const port = /"(?:nats|tls):\/\/127\.0\.0\.1:(\d+)"/.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}
