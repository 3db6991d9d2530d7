import { describe } from 'node:test';
import { consul } from '../../src/registry/consul.js';
import { ConsulServer } from '../support/consul-server.js';
import { besideGo, path } from './support/registry-go.js';

describe('the consul registry beside that of go-micro', { skip: path === undefined }, () => {
  besideGo({
    name: 'consul',
    start: () => ConsulServer.start(),
    provide: (address) => consul({ addresses: [address] }),
  });
});
