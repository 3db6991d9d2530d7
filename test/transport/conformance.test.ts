import { describe, test } from 'node:test';
import { SystemClock } from '../../src/core/system-clock.js';
import { HttpTransport } from '../../src/transport/http.js';
import { MemoryTransport } from '../../src/transport/memory.js';
import { conform } from '../conformance/conform.js';
import { transportSuite } from '../conformance/transport.js';
import { wrapped } from '../support/wrapped.js';

describe('HttpTransport', () => {
  conform(test, transportSuite, () => new HttpTransport({}, { clock: new SystemClock() }));
});

describe('MemoryTransport', () => {
  conform(test, transportSuite, () => new MemoryTransport());
});

describe('a wrapped HttpTransport', () => {
  conform(test, transportSuite, () => wrapped(new HttpTransport({}, { clock: new SystemClock() })));
});

describe('a wrapped MemoryTransport', () => {
  conform(test, transportSuite, () => wrapped(new MemoryTransport()));
});
