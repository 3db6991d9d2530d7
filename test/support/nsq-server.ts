import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-port.js';
import { accepts, ServerProcess } from './server-process.js';

export interface NsqServerOptions {
  /** More arguments for `nsqd`, such as `-max-msg-size=4194304`. */
  readonly args?: readonly string[];
}

/** An nsqd of a test's own, at ports that stay the same when it is killed and started again. */
export class NsqServer {
  readonly port: number;
  readonly httpPort: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: ServerProcess;

  private constructor(
    [port = 0, httpPort = 0]: readonly number[],
    folder: string,
    args: readonly string[],
    process: ServerProcess,
  ) {
    this.port = port;
    this.httpPort = httpPort;
    this.#folder = folder;
    this.#args = args;
    this.#process = process;
  }

  static async start({ args: more = [] }: NsqServerOptions = {}): Promise<NsqServer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-nsq-'));
    const ports = await freePorts(2);
    const args = [
      `-tcp-address=127.0.0.1:${ports[0]}`,
      `-http-address=127.0.0.1:${ports[1]}`,
      '-broadcast-address=127.0.0.1',
      `-data-path=${folder}`,
      ...more,
    ];
    return new NsqServer(ports, folder, args, await run('nsqd', folder, args, ports[0] ?? 0));
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** Ends it cleanly: it writes down what it has. */
  end(): Promise<void> {
    return this.#process.end();
  }

  pause(): Promise<void> {
    return this.#process.pause();
  }

  resume(): void {
    this.#process.resume();
  }

  /** Starts it again where it was. */
  async restart(): Promise<void> {
    this.#process = await run('nsqd', this.#folder, this.#args, this.port);
  }

  async stop(): Promise<void> {
    await this.#process.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** An nsqlookupd of a test's own. */
export class NsqLookup {
  /** What nsqds are told, with `-lookupd-tcp-address`. */
  readonly tcpAddress: string;
  /** What clients ask. */
  readonly address: string;
  readonly #args: readonly string[];
  #process: ServerProcess;

  private constructor([tcp, http]: readonly number[], args: readonly string[], process: ServerProcess) {
    this.tcpAddress = `127.0.0.1:${tcp}`;
    this.address = `127.0.0.1:${http}`;
    this.#args = args;
    this.#process = process;
  }

  static async start(): Promise<NsqLookup> {
    const ports = await freePorts(2);
    const args = [`-tcp-address=127.0.0.1:${ports[0]}`, `-http-address=127.0.0.1:${ports[1]}`];
    return new NsqLookup(ports, args, await run('nsqlookupd', tmpdir(), args, ports[1] ?? 0));
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  async restart(): Promise<void> {
    const port = Number(this.address.split(':')[1]);
    this.#process = await run('nsqlookupd', tmpdir(), this.#args, port);
  }
}

async function run(
  command: string,
  folder: string,
  args: readonly string[],
  port: number,
): Promise<ServerProcess> {
  return (await ServerProcess.start(command, args, folder, () => accepts(port))).server;
}
