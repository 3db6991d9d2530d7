import { describe, test } from 'node:test';
import { HttpTransport } from '../../src/transport/http.js';
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.js';
import { conform } from '../conformance/conform.js';
import { transportSuite } from '../conformance/transport.js';
import { wrapped } from '../support/wrapped.js';
import { parts } from '../support/parts.js';

const network = new MemoryNetwork();

describe('HttpTransport', () => {
  conform(test, transportSuite, () => new HttpTransport({}, parts()));
});

describe('MemoryTransport', () => {
  conform(test, transportSuite, () => new MemoryTransport({ network }));
});

describe('a wrapped HttpTransport', () => {
  conform(test, transportSuite, () => wrapped(new HttpTransport({}, parts())));
});

describe('a wrapped MemoryTransport', () => {
  conform(test, transportSuite, () => wrapped(new MemoryTransport({ network })));
});
