import { describe, test } from 'node:test';
import { TcpTransport } from '../../src/transport/tcp.js';
import { conform } from '../conformance/conform.js';
import { transportSuite } from '../conformance/transport.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

describe('TcpTransport', () => {
  conform(test, transportSuite, () => new TcpTransport({}, parts()));
});

describe('a wrapped TcpTransport', () => {
  conform(test, transportSuite, () => wrapped(new TcpTransport({}, parts())));
});

describe('a TcpTransport with small windows and several connections', () => {
  conform(test, transportSuite, () => new TcpTransport({ windowBytes: 8_000, connections: 3 }, parts()));
});

describe('a TcpTransport that opens a connection for each stream', () => {
  conform(test, transportSuite, () => new TcpTransport({ maxStreams: 1 }, parts()));
});
