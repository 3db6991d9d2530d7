import type { Transport } from '../../src/transport/transport.js';
import type { Suite } from './conform.js';
import { callSuite } from './transport/calls.js';
import { limitSuite } from './transport/limits.js';
import { listeningSuite } from './transport/listening.js';
import { streamSuite } from './transport/streams.js';

/**
 * The promises of `Transport`, `Socket` and `Listener`. Subjects reach each other, and take `127.0.0.1:0` for an address.
 *
 * Every message has a header `Micro-Service`, and those of streams `Micro-Stream`, for wires that tell messages apart by them.
 */
export const transportSuite = {
  ...listeningSuite,
  ...callSuite,
  ...streamSuite,
  ...limitSuite,
} satisfies Suite<Transport>;
