import { isLoopback } from '../core/address.js';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { parseHttpAddress } from '../core/http-address.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import type { DialTls } from '../core/tls.js';
import { Turns } from '../core/turns.js';
import { FollowedNodes } from './followed-nodes.js';
import { KubernetesApi } from './kubernetes/api.js';
import { Cluster } from './kubernetes/cluster.js';
import { checkName, labelled, podPatch } from './kubernetes/pods.js';
import { ServiceAccount } from './kubernetes/service-account.js';
import { nodesOf, versionsOf, type NodeRecord } from './node-record.js';
import { checkRecord, frozen } from './record.js';
import {
  Registry,
  type RegisterOptions,
  type RegistryEvent,
  type RegistryOptions,
  type ServiceRecord,
  type WatchOptions,
} from './registry.js';

export interface KubernetesOptions extends RegistryOptions {
  /** The API server. @defaultValue what a pod's environment says: `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` */
  readonly addresses?: readonly string[];
  /** The folder with `token`, `ca.crt` and `namespace` of the pod's service account. @defaultValue `'/var/run/secrets/kubernetes.io/serviceaccount'` */
  readonly serviceAccount?: string;
  /** Who we are. @defaultValue the token in that folder, read again as it changes */
  readonly token?: string;
  /** Certificates. @defaultValue the authority in that folder */
  readonly tls?: DialTls;
  /** @defaultValue the one in that folder, else `'default'` */
  readonly namespace?: string;
  /** The pod that this process runs in. @defaultValue `HOSTNAME` of the environment */
  readonly pod?: string;
  /** Whether Services that no pod has registered are found too, by their EndpointSlices. @defaultValue `false` */
  readonly services?: boolean;
  /** The name of the port of such Services. @defaultValue the first one */
  readonly servicePort?: string;
  /** For how long one question may take, in milliseconds. @defaultValue `5_000` */
  readonly timeoutMs?: number;
  /** For how long the start looks for the API server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
}

export interface KubernetesParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long after a failed attempt to reach the API server the next one is made, in milliseconds. */
const RETRY_MS = 250;
const SECRETS = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Keeps nodes on their pods, as go-micro does: in an annotation, with a label to find it by. A node is there while its pod is Ready, whatever
 * its TTL.
 */
export class KubernetesRegistry extends Registry {
  readonly name = 'kubernetes';
  readonly local: boolean;
  readonly options: Omit<KubernetesOptions, 'token' | 'tls'>;
  readonly #given: KubernetesOptions;
  readonly #parts: KubernetesParts;
  readonly #followed: FollowedNodes;
  readonly #turns = new Turns();
  /** What was registered here, by label and node. */
  readonly #own = new Map<string, ReadonlyMap<string, NodeRecord>>();
  #cluster: Cluster | undefined;
  #starting: Promise<void> | undefined;
  #stopped = new AbortController();

  constructor(options: KubernetesOptions, parts: KubernetesParts) {
    super();
    const { token: _token, tls: _tls, addresses, ...shown } = options;
    const places = (addresses ?? []).map((each) => parseHttpAddress(each, 443));
    this.options = { ...shown, ...(addresses && { addresses: places.map((place) => place.shown) }) };
    this.local = places.length > 0 && places.every(({ host }) => isLoopback(host));
    this.#given = options;
    this.#parts = parts;
    this.#followed = new FollowedNodes({
      ...parts,
      registry: this.name,
      follow: (service, view, signal) => this.#started().follow(service, view, signal),
    });
  }

  start(): Promise<void> {
    if (this.#starting !== undefined) return this.#starting;
    const starting = this.#open(this.#stopped.signal);
    this.#starting = starting;
    const failed = (): void => {
      if (this.#starting === starting) this.#starting = undefined;
    };
    starting.catch(failed);
    return starting;
  }

  /** What was registered stays on the pod, and goes with it. */
  stop(): void {
    this.#stopped.abort();
    this.#stopped = new AbortController();
    this.#starting = undefined;
    this.#followed.end();
    this.#own.clear();
    this.#cluster?.stop();
    this.#cluster = undefined;
  }

  /** A TTL is not kept: the pod is what is asked whether it lives. */
  async register(service: ServiceRecord, _options?: RegisterOptions): Promise<void> {
    checkRecord(service);
    checkName(service.name);
    const added = nodesOf(frozen(service)).map((record) => [keyOf(record), record] as const);
    await this.#change(service.name, (nodes) => {
      for (const [key, record] of added) nodes.set(key, record);
      return true;
    });
  }

  async deregister(service: ServiceRecord): Promise<void> {
    const gone = nodesOf(service).map(keyOf);
    await this.#change(service.name, (nodes) => {
      const known = gone.filter((key) => nodes.delete(key));
      return known.length > 0;
    });
  }

  async getService(name: string): Promise<readonly ServiceRecord[]> {
    const cluster = this.#started();
    await this.#followed.begun(name);
    return versionsOf((await cluster.list(name)).all.values());
  }

  async listServices(): Promise<readonly string[]> {
    const { all } = await this.#started().list(undefined);
    return [...new Set([...all.values()].map(({ service }) => service.name))].sort();
  }

  watch(options?: WatchOptions): AsyncIterable<RegistryEvent> {
    return this.#followed.watch(options);
  }

  async #open(stopped: AbortSignal): Promise<void> {
    const { timeoutMs = 5_000, connectTimeoutMs = 5_000, serviceAccount = SECRETS, token } = this.#given;
    const { clock } = this.#parts;
    const account = new ServiceAccount(serviceAccount, token, clock);
    const ca = await account.ca();
    const { tls: given } = this.#given;
    const tls = given === 'dev' || ca === undefined ? given : { ca, ...given };
    const addresses = this.#given.addresses ?? inCluster(process.env);
    const namespace = this.#given.namespace ?? (await account.namespace()) ?? 'default';
    const { services = false, servicePort } = this.#given;
    const api = new KubernetesApi({ addresses, tls, account, timeoutMs }, this.#parts);
    await api.start();
    const cluster = new Cluster(api, { namespace, services, servicePort });
    try {
      await this.#reach(cluster, connectTimeoutMs, stopped);
      if (stopped.aborted) throw this.#overtaken();
    } catch (error) {
      api.stop();
      throw error;
    }
    this.#cluster = cluster;
  }

  /** Waits for an API server that cannot be reached yet. Rejects at once where it refuses us. */
  async #reach(cluster: Cluster, withinMs: number, stopped: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const begin = clock.now();
    for (;;) {
      try {
        return await cluster.check();
      } catch (reason) {
        const error = OctavoError.from(reason);
        const ms = Math.round(clock.now() - begin);
        if (error.code !== 'unavailable') throw error;
        if (ms + RETRY_MS > withinMs)
          throw new OctavoError('unavailable', `${error.message} (tried for ${ms} ms)`, { cause: error });
      }
      if (stopped.aborted) throw this.#overtaken();
      await clock.sleep(RETRY_MS);
    }
  }

  #overtaken(): OctavoError {
    return new OctavoError('unavailable', 'the kubernetes registry was stopped while it connected');
  }

  get #pod(): string {
    const { pod = process.env['HOSTNAME'] } = this.#given;
    if (pod !== undefined && pod !== '') return pod;
    throw new OctavoError(
      'failed_precondition',
      'the kubernetes registry does not know its pod (HOSTNAME is not set): set pod',
    );
  }

  #started(): Cluster {
    if (this.#cluster !== undefined) return this.#cluster;
    throw new OctavoError(
      'failed_precondition',
      'the kubernetes registry is not started: call start() first',
    );
  }

  /** Makes the pod have what was registered here and this change, which says whether it is one. */
  async #change(service: string, change: (nodes: Map<string, NodeRecord>) => boolean): Promise<void> {
    const cluster = this.#started();
    await this.#followed.begun(service);
    const label = labelled(service);
    await this.#turns.take(label, async () => {
      const nodes = new Map(this.#own.get(label));
      if (!change(nodes)) return;
      await cluster.patchPod(this.#pod, podPatch(service, [...nodes.values()]));
      if (nodes.size === 0) this.#own.delete(label);
      else this.#own.set(label, nodes);
    });
  }
}

/** Finds services through the Kubernetes API. */
export function kubernetes(options: KubernetesOptions = {}): Provider<Registry> {
  return (resolve) => new KubernetesRegistry(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

/** Where a pod's environment says that the API server is. */
function inCluster({
  KUBERNETES_SERVICE_HOST: host,
  KUBERNETES_SERVICE_PORT: port = '443',
}: NodeJS.ProcessEnv): string[] {
  if (host === undefined || host === '')
    throw new OctavoError(
      'failed_precondition',
      'the kubernetes registry does not know where the API server is, as KUBERNETES_SERVICE_HOST is not set: set addresses',
    );
  return [`https://${host.includes(':') ? `[${host}]` : host}:${port}`];
}

function keyOf({ service, node }: NodeRecord): string {
  return JSON.stringify([service.name, node.id]);
}
