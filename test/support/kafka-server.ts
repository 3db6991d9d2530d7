import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

export interface KafkaServerOptions {
  /** How clients reach it, as Kafka names it. */
  readonly protocol?: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SSL';
  /** More lines for the file of properties. */
  readonly properties?: Readonly<Record<string, string | number>>;
}

const CLUSTER = 'MkU3OEVBNTcwNTJENDM2Qk';

/** A Kafka server of a test's own, broker and controller in one, at a port that stays the same when it is killed and started again. */
export class KafkaServer {
  readonly port: number;
  readonly #folder: string;
  #process: ServerProcess;

  private constructor(port: number, folder: string, process: ServerProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  static async start({
    protocol = 'PLAINTEXT',
    properties = {},
  }: KafkaServerOptions = {}): Promise<KafkaServer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-kafka-'));
    const [port = 0, controller = 0] = await freePorts(2);
    const all = {
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      listeners: `${protocol}://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': `${protocol}://127.0.0.1:${port}`,
      'listener.security.protocol.map': `CONTROLLER:PLAINTEXT,${protocol}:${protocol}`,
      'inter.broker.listener.name': protocol,
      'controller.listener.names': 'CONTROLLER',
      'log.dirs': join(folder, 'data'),
      'offsets.topic.replication.factor': 1,
      'offsets.topic.num.partitions': 4,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
      'group.initial.rebalance.delay.ms': 0,
      // A broker that was killed is back when its last session has run out.
      'broker.session.timeout.ms': 2_000,
      ...properties,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(join(folder, 'server.properties'), lines.join(''));
    await format(folder);
    return new KafkaServer(port, folder, await run(folder, port));
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

  /** Starts it again where it was. */
  async restart(): Promise<void> {
    this.#process = await run(this.#folder, this.port);
  }

  /** Starts it again where it was, as one that remembers nothing. */
  async restartEmpty(): Promise<void> {
    await rm(join(this.#folder, 'data'), { recursive: true, force: true });
    await format(this.#folder);
    await this.restart();
  }

  async stop(): Promise<void> {
    await this.#process.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function format(folder: string): Promise<void> {
  await promisify(execFile)(
    'kafka-java',
    ['kafka.tools.StorageTool', 'format', '-t', CLUSTER, '-c', 'server.properties'],
    { cwd: folder },
  );
}

async function run(folder: string, port: number): Promise<ServerProcess> {
  const { server } = await ServerProcess.start(
    'kafka-java',
    ['kafka.Kafka', 'server.properties'],
    folder,
    () => accepts(port),
  );
  return server;
}
