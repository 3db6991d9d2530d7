import { readFileSync } from 'node:fs';
import { describe } from 'node:test';
import { kubernetes } from '../../src/registry/kubernetes.js';
import { KubeServer } from '../support/kube-server.js';
import { besideGo, path } from './support/registry-go.js';

let server: KubeServer;

/** go-micro shows no token where it is given an address: the account of nobody in particular gets the sample's Role. */
async function start(): Promise<{ address: string; stop(): Promise<void> }> {
  server = await KubeServer.start();
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  const role = readFileSync('samples/kubernetes/role.yaml', 'utf8');
  await server.must('POST', `${rbac}/roles`, { body: role, type: 'application/yaml' });
  await server.must('POST', `${rbac}/rolebindings`, {
    body: {
      metadata: { name: 'anybody' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'octavo-registry' },
      subjects: [{ kind: 'User', name: 'system:anonymous' }],
    },
  });
  for (const pod of ['go-1', 'octavo-1']) await server.pod('default', pod);
  // Where go-micro looks for the pod that it is in.
  process.env['HOSTNAME'] = 'go-1';
  return { address: server.address, stop: () => server.stop() };
}

describe('the kubernetes registry beside that of go-micro', { skip: path === undefined }, () => {
  besideGo({
    name: 'kubernetes',
    start,
    deaf: 'it passes over pods that come to have a service (ADDED)',
    provide: (address) => {
      const { adminToken: token, ca } = server;
      return kubernetes({ addresses: [address], token, tls: { ca }, namespace: 'default', pod: 'octavo-1' });
    },
  });
});
