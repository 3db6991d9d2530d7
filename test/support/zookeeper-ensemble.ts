import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

const MEMBERS = 3;

/** Three ZooKeeper servers that are one, of which one may be gone. */
export class ZooKeeperEnsemble {
  readonly addresses: readonly string[];
  readonly #folder: string;
  readonly #ports: readonly number[];
  readonly #running: (ServerProcess | undefined)[] = [];

  private constructor(folder: string, ports: readonly number[]) {
    this.#folder = folder;
    this.#ports = ports;
    this.addresses = ports.map((port) => `127.0.0.1:${port}`);
  }

  static async start(): Promise<ZooKeeperEnsemble> {
    const ports = await freePorts(3 * MEMBERS);
    const folder = await mkdtemp(join(tmpdir(), 'octavo-ensemble-'));
    const members = Array.from({ length: MEMBERS }, (_, n) => n);
    const ensemble = new ZooKeeperEnsemble(folder, ports.slice(0, MEMBERS));
    const others = members.map(
      (n) => `server.${n + 1}=127.0.0.1:${ports[MEMBERS + n]}:${ports[2 * MEMBERS + n]}`,
    );
    for (const n of members) {
      const data = join(folder, String(n));
      await mkdir(data);
      await writeFile(join(data, 'myid'), String(n + 1));
      const lines = [
        'tickTime=500',
        'initLimit=20',
        'syncLimit=10',
        `dataDir=${data}`,
        `clientPort=${ports[n]}`,
        'clientPortAddress=127.0.0.1',
        'admin.enableServer=false',
        ...others,
      ];
      await writeFile(join(folder, `${n}.cfg`), `${lines.join('\n')}\n`);
    }
    await Promise.all(members.map((n) => ensemble.run(n)));
    return ensemble;
  }

  /** Starts one of them, with what it kept. */
  async run(n: number): Promise<void> {
    const { server } = await ServerProcess.start(
      'zookeeper-server',
      [join(this.#folder, `${n}.cfg`)],
      this.#folder,
      () => accepts(this.#ports[n] ?? 0),
    );
    this.#running[n] = server;
  }

  async kill(n: number): Promise<void> {
    await this.#running[n]?.kill();
  }

  async stop(): Promise<void> {
    for (const server of this.#running) await server?.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
