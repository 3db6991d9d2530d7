import { describe, test } from 'node:test';
import { HttpBroker } from '../../src/broker/http.js';
import { MemoryBroker, MemoryBus } from '../../src/broker/memory.js';
import { MemoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

describe('MemoryBroker', () => {
  let bus = new MemoryBus();
  test.beforeEach(() => {
    bus = new MemoryBus();
  });
  conform(test, brokerSuite, () => new MemoryBroker({ bus }, parts()));
});

describe('HttpBroker', () => {
  let world = new MemoryWorld();
  test.beforeEach(() => {
    world = new MemoryWorld();
  });
  conform(test, brokerSuite, () => {
    const registry = new MemoryRegistry({ world }, parts());
    return new HttpBroker({}, { ...parts(), registry });
  });
});

describe('wrapped brokers', () => {
  let bus = new MemoryBus();
  let world = new MemoryWorld();
  test.beforeEach(() => {
    bus = new MemoryBus();
    world = new MemoryWorld();
  });
  conform(test, brokerSuite, () => wrapped(new MemoryBroker({ bus }, parts())));
  conform(test, brokerSuite, () => {
    const registry = wrapped(new MemoryRegistry({ world }, parts()));
    return wrapped(new HttpBroker({}, { ...parts(), registry }));
  });
});
