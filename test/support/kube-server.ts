import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request, Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EtcdServer } from './etcd-server.js';
import { freePorts } from './free-port.js';
import { ServerProcess } from './server-process.js';

const run = promisify(execFile);

/** What the API server answered. */
export interface KubeAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface KubeRequest {
  readonly body?: unknown;
  /** @defaultValue `'application/json'`; that of a patch is a merge patch */
  readonly type?: string;
  /** @defaultValue the one of an administrator */
  readonly token?: string;
}

export interface KubeServerOptions {
  /** The file of the authority of client certificates, whose common names are those of users. */
  readonly clientCa?: string;
}

/** Who may do everything. */
const ADMIN = 'test-admin-token';

/**
 * A real Kubernetes API server of a test's own, and the etcd that keeps its objects. Its port stays the same over restarts.
 *
 * There is no kubelet and no controller: the test plays them. Its certificate is in `ca`, and it asks who one is, and what one may do (RBAC).
 */
export class KubeServer {
  readonly port: number;
  readonly folder: string;
  readonly #etcd: EtcdServer;
  readonly #agent: Agent;
  readonly #clientCa: string | undefined;
  #process: ServerProcess | undefined;
  #ca = '';

  private constructor(port: number, folder: string, etcd: EtcdServer, clientCa: string | undefined) {
    this.#clientCa = clientCa;
    this.port = port;
    this.folder = folder;
    this.#etcd = etcd;
    this.#agent = new Agent({ keepAlive: false });
  }

  static async start({ clientCa }: KubeServerOptions = {}): Promise<KubeServer> {
    const [port = 0] = await freePorts(1);
    const folder = await mkdtemp(join(tmpdir(), 'octavo-kube-'));
    const server = new KubeServer(port, folder, await EtcdServer.start(), clientCa);
    await mkdir(join(folder, 'certs'));
    const key = join(folder, 'sa.key');
    await run('openssl', ['genrsa', '-out', key, '2048']);
    await run('openssl', ['rsa', '-in', key, '-pubout', '-out', join(folder, 'sa.pub')]);
    await writeFile(join(folder, 'tokens.csv'), `${ADMIN},admin,admin,"system:masters"\n`);
    await server.restart();
    return server;
  }

  get address(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** The file of the certificate that it shows, and vouches for itself. */
  get ca(): string {
    return join(this.folder, 'certs', 'apiserver.crt');
  }

  get adminToken(): string {
    return ADMIN;
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

  /** Starts it again where it was, with what it kept, or as one that has nothing. */
  async restart({ empty = false } = {}): Promise<void> {
    if (empty) {
      await this.#etcd.kill();
      await this.#etcd.restart({ empty });
    }
    const { folder } = this;
    const { server } = await ServerProcess.start(
      'kube-apiserver',
      [
        `--etcd-servers=http://${this.#etcd.address}`,
        '--bind-address=127.0.0.1',
        '--advertise-address=127.0.0.1',
        `--secure-port=${this.port}`,
        `--cert-dir=${join(folder, 'certs')}`,
        `--service-account-key-file=${join(folder, 'sa.pub')}`,
        `--service-account-signing-key-file=${join(folder, 'sa.key')}`,
        '--service-account-issuer=https://octavo.test',
        `--token-auth-file=${join(folder, 'tokens.csv')}`,
        '--authorization-mode=RBAC',
        '--service-cluster-ip-range=127.100.0.0/24',
        '--disable-admission-plugins=ServiceAccount',
        ...(this.#clientCa === undefined ? [] : [`--client-ca-file=${this.#clientCa}`]),
      ],
      folder,
      () => this.#ready(),
    );
    this.#process = server;
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.#etcd.stop();
    this.#agent.destroy();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Asks it, as an administrator or whoever has the token. */
  async ask(
    method: string,
    path: string,
    { body, token = ADMIN, type }: KubeRequest = {},
  ): Promise<KubeAnswer> {
    const content = type ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json');
    return new Promise((resolve, reject) => {
      const asked = request(
        `${this.address}${path}`,
        {
          method,
          agent: this.#agent,
          ca: this.#ca,
          headers: { authorization: `Bearer ${token}`, 'content-type': content },
          timeout: 10_000,
        },
        (answer) => {
          const pieces: Buffer[] = [];
          answer.on('data', (piece: Buffer) => pieces.push(piece));
          answer.on('error', reject);
          answer.on('end', () => {
            const text = Buffer.concat(pieces).toString();
            const json = answer.headers['content-type']?.includes('json') === true;
            resolve({ status: answer.statusCode ?? 0, body: json ? (JSON.parse(text) as unknown) : text });
          });
        },
      );
      asked.on('error', reject);
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${path} takes too long`)));
      asked.end(typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Asks, and throws what it says where that is no success. */
  async must(method: string, path: string, what: KubeRequest = {}): Promise<unknown> {
    const { status, body } = await this.ask(method, path, what);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  async namespace(name: string): Promise<void> {
    await this.must('POST', '/api/v1/namespaces', { body: { metadata: { name } } });
  }

  /** A pod that runs and is Ready, as a kubelet would have it. */
  async pod(
    namespace: string,
    name: string,
    { patch = {} }: { readonly patch?: unknown } = {},
  ): Promise<void> {
    const pods = `/api/v1/namespaces/${namespace}/pods`;
    const { metadata } = patch as { metadata?: object }; // what a patch of a pod is
    const spec = { containers: [{ name: 'main', image: 'none' }] };
    await this.must('POST', pods, { body: { metadata: { ...metadata, name }, spec } });
    await this.status(namespace, name, true);
  }

  async status(namespace: string, name: string, ready: boolean, phase = 'Running'): Promise<void> {
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
    const body = { status: { phase, podIP: '127.0.0.1', conditions } };
    await this.must('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, { body });
  }

  /** A service account, and a token that is bound to it. */
  async account(namespace: string, name: string): Promise<{ readonly token: string }> {
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    await this.must('POST', accounts, { body: { metadata: { name } } });
    return this.tokenOf(namespace, name);
  }

  /** A token that is bound to an account that there is. */
  async tokenOf(namespace: string, name: string): Promise<{ readonly token: string }> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const { status } = (await this.must('POST', path, { body: { spec: {} } })) as {
      status: { token: string };
    }; // as authentication.k8s.io/v1 has it
    return status;
  }

  /** Has etcd forget what was before. */
  async compact(): Promise<void> {
    await this.#etcd.compact();
  }

  async #ready(): Promise<true | undefined> {
    try {
      this.#ca = await readFile(this.ca, 'utf8');
      const { status } = await this.ask('GET', '/readyz');
      return status === 200 ? true : undefined;
    } catch {
      await wait(50);
      return undefined;
    }
  }
}
