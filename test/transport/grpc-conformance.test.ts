import { describe, test } from 'node:test';
import { GrpcTransport } from '../../src/transport/grpc.js';
import { conform } from '../conformance/conform.js';
import { transportSuite } from '../conformance/transport.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

describe('GrpcTransport', () => {
  conform(test, transportSuite, () => new GrpcTransport({}, parts()));
});

describe('a wrapped GrpcTransport', () => {
  conform(test, transportSuite, () => wrapped(new GrpcTransport({}, parts())));
});

describe('a GrpcTransport with small windows and several connections', () => {
  conform(test, transportSuite, () => new GrpcTransport({ windowBytes: 8_000, connections: 3 }, parts()));
});

describe('a GrpcTransport that opens a connection for each stream', () => {
  conform(test, transportSuite, () => new GrpcTransport({ maxStreams: 1 }, parts()));
});
