import { after, before, beforeEach, describe, test } from 'node:test';
import { KubernetesRegistry } from '../../src/registry/kubernetes.js';
import { conform, type ConformOptions } from '../conformance/conform.js';
import { registrySuite } from '../conformance/registry.js';
import { KubeServer } from '../support/kube-server.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

let server: KubeServer;
let tests = 0;
let pods = 0;
before(async () => {
  server = await KubeServer.start();
});
after(() => server.stop());
// The registries of one test share a namespace, and each has a pod.
beforeEach(async () => {
  await server.namespace(`test-${++tests}`);
});

async function make(): Promise<KubernetesRegistry> {
  const [namespace, pod] = [`test-${tests}`, `pod-${++pods}`];
  await server.pod(namespace, pod);
  const { address, ca, adminToken: token } = server;
  return new KubernetesRegistry({ addresses: [address], tls: { ca }, token, namespace, pod }, parts());
}

const LACKS: ConformOptions<keyof typeof registrySuite> = {
  lacks: { 'a node that is not renewed goes after its time': 'a node is there while its pod is Ready' },
};

describe('KubernetesRegistry', () => {
  conform(test, registrySuite, make, LACKS);
});

describe('a wrapped KubernetesRegistry', () => {
  conform(test, registrySuite, async () => wrapped(await make()), LACKS);
});
