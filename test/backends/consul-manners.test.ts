import { describe } from 'node:test';
import { ConsulRegistry } from '../../src/registry/consul.js';
import { ConsulServer } from '../support/consul-server.js';
import { parts } from '../support/parts.js';
import { registryManners } from './support/registry-manners.js';

describe('the consul registry', () => {
  registryManners({
    names: ['consul'],
    start: () => ConsulServer.start(),
    make: (addresses) => new ConsulRegistry({ addresses }, parts()),
  });
});
