import { describe } from 'node:test';
import { KubernetesRegistry } from '../../src/registry/kubernetes.js';
import { KubeProxy } from '../support/kube-proxy.js';
import { KubeServer } from '../support/kube-server.js';
import { parts } from '../support/parts.js';
import { registryManners } from './support/registry-manners.js';

/** As on the machine of somebody who has `kubectl proxy`, where the pod is one in name. */
async function start(): Promise<{ address: string; stop(): Promise<void> }> {
  const server = await KubeServer.start();
  await server.pod('default', 'here');
  process.env['HOSTNAME'] = 'here';
  const proxy = await KubeProxy.start(server);
  const stop = async (): Promise<void> => {
    proxy.stop();
    await server.stop();
  };
  return { address: proxy.address, stop };
}

describe('the kubernetes registry', () => {
  registryManners({
    names: ['kubernetes'],
    start,
    make: (addresses) => new KubernetesRegistry({ addresses }, parts()),
    apart: 'each registry changes its own pod and no other',
  });
});
