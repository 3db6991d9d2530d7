import { describe, test } from 'node:test';
import { UdpTransport } from '../../src/transport/udp.js';
import { conform } from '../conformance/conform.js';
import { streamlessTransportSuite } from '../conformance/transport.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';

describe('UdpTransport', () => {
  conform(test, streamlessTransportSuite, () => new UdpTransport({}, parts()));
});

describe('a wrapped UdpTransport', () => {
  conform(test, streamlessTransportSuite, () => wrapped(new UdpTransport({}, parts())));
});
