import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answers } from './etcd-server.js';
import { freePorts } from './free-port.js';
import { ServerProcess } from './server-process.js';

/** A target of a Prometheus server, as it tells. */
export interface Target {
  readonly health: 'up' | 'down' | 'unknown';
  readonly lastError: string;
}

/** A Prometheus server of a test's own, which scrapes these addresses five times a second. */
export class PrometheusServer implements AsyncDisposable {
  readonly #port: number;
  readonly #folder: string;
  readonly #process: ServerProcess;

  private constructor(port: number, folder: string, process: ServerProcess) {
    this.#port = port;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(addresses: readonly string[]): Promise<PrometheusServer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-prometheus-'));
    const [port = 0] = await freePorts(1);
    const config = join(folder, 'prometheus.yml');
    const job = { job_name: 'octavo', scrape_interval: '200ms', static_configs: [{ targets: addresses }] };
    // YAML takes JSON as it is.
    await writeFile(config, JSON.stringify({ scrape_configs: [{ ...job, scrape_timeout: '200ms' }] }));
    const args = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const { server } = await ServerProcess.start('prometheus', args, folder, () => answers(port, '/-/ready'));
    return new PrometheusServer(port, folder, server);
  }

  /** The value of a query that has one; `undefined` for none. */
  async value(query: string): Promise<number | undefined> {
    const { result } = await this.#ask<{ result: readonly { readonly value: readonly [number, string] }[] }>(
      `query?query=${encodeURIComponent(query)}`,
    );
    const [one] = result;
    return one === undefined ? undefined : Number(one.value[1]);
  }

  async targets(): Promise<readonly Target[]> {
    return (await this.#ask<{ activeTargets: readonly Target[] }>('targets')).activeTargets;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #ask<T>(path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/api/v1/${path}`);
    const { status, data, error } = (await response.json()) as { status: string; data: T; error?: string };
    if (status !== 'success') throw new Error(`${path}: ${error ?? ''}`);
    return data;
  }
}

/** What Prometheus' own tool finds wrong with a page, a line for each. */
export function lint(page: string): readonly string[] {
  const { stdout, stderr, error } = spawnSync('promtool', ['check', 'metrics'], {
    input: page,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
}
