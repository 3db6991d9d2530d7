import type { Context } from '../core/context.js';
import { OctavoError } from '../core/error.js';
import { Pulse, type PulseInit } from '../core/pulse.js';
import type { Method } from '../schema/method.js';

/** How a wire has signs of life of its own for each stream. */
export type Signs = Pick<PulseInit, 'beatMs' | 'silenceMs' | 'beat' | 'silent'>;

/** For wires that have none, or that have them below: HTTP/2's are of a connection. */
const NONE: Signs = { beatMs: 0, silenceMs: 0, beat: () => {}, silent: () => {} };

/**
 * Watches over the stream of a call, which is cancelled when it carries no item for too long; one message each way is no stream.
 *
 * @param streamIdleMs for how long it may, where its endpoint says nothing, in milliseconds; `0` is for ever
 */
export function streamPulse(
  { endpoint, kind, options }: Method,
  context: Context,
  streamIdleMs: number,
  signs = NONE,
): Pulse {
  const idleMs = kind === 'unary' ? 0 : (options.idleMs ?? streamIdleMs);
  const idleness = `${endpoint} carried no item for ${idleMs} ms (streamIdleMs)`;
  return new Pulse({
    ...signs,
    clock: context.clock,
    idleMs,
    idle: () => context.cancel(new OctavoError('deadline_exceeded', idleness)),
  });
}
