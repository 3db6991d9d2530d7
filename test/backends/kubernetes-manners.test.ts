import { after, before, describe } from 'node:test';
import { KubernetesRegistry } from '../../src/registry/kubernetes.js';
import { KubeProxy } from '../support/kube-proxy.js';
import { KubeServer } from '../support/kube-server.js';
import { parts } from '../support/parts.js';
import { registryManners } from './support/registry-manners.js';

// As on the machine of somebody who has `kubectl proxy`, where the pod is one in name. One server does for all.
let server: KubeServer;
let proxy: KubeProxy;
before(async () => {
  server = await KubeServer.start();
  await server.pod('default', 'here');
  process.env['HOSTNAME'] = 'here';
  proxy = await KubeProxy.start(server);
});
after(async () => {
  proxy.stop();
  await server.stop();
});

describe('the kubernetes registry', () => {
  registryManners({
    names: ['kubernetes'],
    start: async () => ({ address: proxy.address, stop: async () => {} }),
    make: (addresses) => new KubernetesRegistry({ addresses }, parts()),
    apart: 'each registry changes its own pod and no other',
  });
});
