import { describe } from 'node:test';
import { ConsulRegistry } from '../../src/registry/consul.js';
import { ConsulServer } from '../support/consul-server.js';
import { parts } from '../support/parts.js';
import { registryTls } from './support/registry-tls.js';

describe('the consul registry over TLS', () => {
  registryTls({
    name: 'consul',
    start: (tls) => ConsulServer.start({ tls }),
    make: (address, tls) =>
      new ConsulRegistry({ addresses: [address], connectTimeoutMs: 2_000, ...(tls && { tls }) }, parts()),
  });
});
