import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pair } from './certificates.js';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

export interface ZooKeeperServerOptions {
  readonly tls?: Pair & {
    /** The authority of clients, who must show a certificate with it. */
    readonly clientCa?: string;
  };
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

  static async start({ tls }: ZooKeeperServerOptions = {}): Promise<ZooKeeperServer> {
    const [port = 0] = await freePorts(1);
    const folder = await mkdtemp(join(tmpdir(), 'octavo-zookeeper-'));
    const server = new ZooKeeperServer(port, folder);
    const client = tls === undefined ? 'client' : 'secureClient';
    const lines = [
      'tickTime=500',
      `dataDir=${server.#data}`,
      `${client}Port=${port}`,
      `${client}PortAddress=127.0.0.1`,
      'admin.enableServer=false',
      'maxClientCnxns=0',
      '4lw.commands.whitelist=srvr',
      ...(tls === undefined ? [] : await secured(tls, folder)),
    ];
    await writeFile(server.#file, lines.map((line) => `${line}\n`).join(''));
    await server.restart();
    // Others than those of Octavo take a port that is open for a server that answers.
    while (tls === undefined && !(await serves(port)));
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

/** Its certificate and key are one file. */
async function secured(tls: NonNullable<ZooKeeperServerOptions['tls']>, folder: string): Promise<string[]> {
  const both = join(folder, 'server.pem');
  await writeFile(both, (await Promise.all([tls.key, tls.cert].map((file) => readFile(file)))).join(''));
  const { clientCa = tls.cert } = tls;
  return [
    'serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory',
    `ssl.keyStore.location=${both}`,
    'ssl.keyStore.type=PEM',
    `ssl.trustStore.location=${clientCa}`,
    'ssl.trustStore.type=PEM',
    `ssl.clientAuth=${tls.clientCa === undefined ? 'none' : 'need'}`,
  ];
}

async function serves(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  // What is asked too early is never answered.
  socket.setTimeout(500, () => socket.destroy());
  try {
    socket.end('srvr');
    let said = '';
    for await (const piece of socket as AsyncIterable<Buffer>) said += piece.toString();
    return said.includes('Mode: ');
  } catch {
    return false;
  }
}
