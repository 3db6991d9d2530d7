import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

/** The scripts themselves: those in the path insist on a user of their own, and on a folder of the machine's. */
const BIN = '/usr/lib/rabbitmq/bin';
/** The server reads no other key, and nothing under test is reached by it. */
const COOKIE = 'octavo-test';

export interface RabbitServerOptions {
  /** More lines of `rabbitmq.conf`, where `{port}` is the port. @defaultValue plain AMQP on 127.0.0.1 */
  readonly config?: readonly string[];
}

/** A RabbitMQ server of a test's own, at a port that stays the same when it is killed and started again with what it keeps. */
export class RabbitServer {
  readonly port: number;
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #names: ChildProcess;
  #process: ServerProcess | undefined;

  private constructor(
    port: number,
    folder: string,
    env: Readonly<Record<string, string>>,
    names: ChildProcess,
  ) {
    this.port = port;
    this.#folder = folder;
    this.#env = env;
    this.#names = names;
  }

  static async start({ config }: RabbitServerOptions = {}): Promise<RabbitServer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-rabbit-'));
    const [port = 0, dist = 0, epmd = 0] = await freePorts(3);
    const lines = config ?? ['listeners.tcp.default = 127.0.0.1:{port}'];
    // So low a limit of free disk that only a test that sets another one meets it.
    const fixed = ['loopback_users = none', 'disk_free_limit.absolute = 1MB', 'log.file.level = error'];
    await writeFile(
      join(folder, 'rabbit.conf'),
      [...lines, ...fixed, ''].join('\n').replaceAll('{port}', String(port)),
    );
    await writeFile(join(folder, 'plugins'), '[].');
    const env = {
      HOME: folder,
      // The script becomes the server instead of watching over it.
      RUNNING_UNDER_SYSTEMD: '1',
      RABBITMQ_NODENAME: `octavo-${port}@localhost`,
      RABBITMQ_BASE: folder,
      RABBITMQ_MNESIA_BASE: join(folder, 'db'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_CONFIG_FILE: join(folder, 'rabbit.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
      RABBITMQ_DIST_PORT: String(dist),
      RABBITMQ_ERLANG_COOKIE: COOKIE,
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      ERL_EPMD_PORT: String(epmd),
      ERL_EPMD_ADDRESS: '127.0.0.1',
    };
    // Started by the server it would stay behind.
    const names = spawn('epmd', ['-port', String(epmd), '-address', '127.0.0.1'], { stdio: 'ignore' });
    process.once('exit', () => names.kill('SIGKILL'));
    while ((await accepts(epmd)) === undefined);
    const server = new RabbitServer(port, folder, env, names);
    await server.restart();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
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

  /** Starts it again where it was, as one that has never been. */
  async restartEmpty(): Promise<void> {
    await rm(join(this.#folder, 'db'), { recursive: true });
    await this.restart();
  }

  /** Starts it again where it was, with what it had written down. */
  async restart(): Promise<void> {
    const { server } = await ServerProcess.start(
      join(BIN, 'rabbitmq-server'),
      [],
      this.#folder,
      () => accepts(this.port),
      this.#env,
    );
    this.#process = server;
  }

  /** Runs `rabbitmqctl` with these arguments, and gives what it says. */
  async control(...args: readonly string[]): Promise<string> {
    const run = promisify(execFile);
    const { stdout } = await run(join(BIN, 'rabbitmqctl'), ['-q', ...args], {
      env: { ...process.env, ...this.#env },
    });
    return stdout.trim();
  }

  /** Makes a vhost, in which `guest` may do everything. */
  async vhost(name: string): Promise<void> {
    await this.control('add_vhost', name);
    await this.control('set_permissions', '-p', name, 'guest', '.*', '.*', '.*');
  }

  /** Has it think that its memory is used up, or no longer: it takes nothing from whoever publishes. */
  async alarm(on: boolean): Promise<void> {
    await this.control('set_vm_memory_high_watermark', on ? '0.000001' : '0.9');
  }

  async stop(): Promise<void> {
    await this.kill();
    this.#names.kill('SIGKILL');
    if (this.#names.exitCode === null && this.#names.signalCode === null) await once(this.#names, 'exit');
    await rm(this.#folder, { recursive: true, force: true });
  }
}
