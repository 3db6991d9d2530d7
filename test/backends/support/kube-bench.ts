import { KubernetesRegistry, type KubernetesOptions } from '../../../src/registry/kubernetes.js';
import type { ServiceRecord } from '../../../src/registry/registry.js';
import type { TestLogger } from '../../../src/testing/test-logger.js';
import { KubeServer } from '../../support/kube-server.js';
import { parts } from '../../support/parts.js';

/** Makes registries at a Kubernetes API server, and stops them all. */
export class KubeBench {
  readonly server: KubeServer;
  readonly logger: TestLogger = parts().logger;
  readonly #made: KubernetesRegistry[] = [];

  constructor(server: KubeServer) {
    this.server = server;
  }

  static async with(run: (bench: KubeBench) => Promise<void>): Promise<void> {
    const server = await KubeServer.start();
    try {
      await new KubeBench(server).use(run);
    } finally {
      await server.stop();
    }
  }

  /** Stops what was made when this is done. */
  async use(run: (bench: KubeBench) => Promise<void>): Promise<void> {
    try {
      await run(this);
    } finally {
      for (const registry of this.#made.splice(0)) registry.stop();
    }
  }

  /** A registry of an administrator's, at the server. */
  make(options: KubernetesOptions = {}): KubernetesRegistry {
    const { ca, adminToken: token } = this.server;
    return this.bare({ tls: { ca }, token, namespace: 'default', pod: 'none', ...options });
  }

  /** A registry at the server that has nothing else than these. */
  bare(options: KubernetesOptions): KubernetesRegistry {
    const whole = { addresses: [this.server.address], ...options };
    const registry = new KubernetesRegistry(whole, { ...parts(), logger: this.logger });
    this.#made.push(registry);
    return registry;
  }

  async started(options: KubernetesOptions = {}): Promise<KubernetesRegistry> {
    const registry = this.make(options);
    await registry.start();
    return registry;
  }

  /** A registry in a new pod. */
  async inPod(pod: string, namespace = 'default'): Promise<KubernetesRegistry> {
    await this.server.pod(namespace, pod);
    return this.started({ namespace, pod });
  }
}

/** A service with nodes of these ids. */
export function greeter(...ids: readonly string[]): ServiceRecord {
  const nodes = ids.map((id) => ({ id, address: '127.0.0.1:4000', metadata: {} }));
  return { name: 'greeter', version: '1', metadata: {}, endpoints: [], nodes };
}

export async function idsOf(registry: KubernetesRegistry, name = 'greeter'): Promise<string> {
  const found = await registry.getService(name);
  return found
    .flatMap(({ nodes }) => nodes.map(({ id }) => id))
    .sort()
    .join();
}
