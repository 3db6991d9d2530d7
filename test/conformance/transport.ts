import type { Transport } from '../../src/transport/transport.js';
import type { Suite } from './conform.js';
import { callSuite } from './transport/calls.js';
import { limitSuite } from './transport/limits.js';
import { listeningSuite } from './transport/listening.js';
import { streamlessSuite } from './transport/streamless.js';
import { streamSuite } from './transport/streams.js';

const calls = { ...listeningSuite, ...callSuite, ...limitSuite };

/**
 * The promises of `Transport`, `Socket` and `Listener`. Subjects reach each other, and take `127.0.0.1:0` for an address.
 *
 * Every message has a header `Micro-Service`, and those of streams `Micro-Stream`, for wires that tell messages apart by them.
 */
export const transportSuite = { ...calls, ...streamSuite } satisfies Suite<Transport>;

/** The same for a transport whose `streams` is false. */
export const streamlessTransportSuite = { ...calls, ...streamlessSuite } satisfies Suite<Transport>;
