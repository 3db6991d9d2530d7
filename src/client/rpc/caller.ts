import { Context } from '../../core/context.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import { checkMetadata, Metadata, type MetadataInit } from '../../core/metadata.js';
import type { CallOptions } from '../client.js';

const UNKNOWN_PEER = { address: '', octavo: false };

export interface CallerInit {
  readonly service: string;
  readonly endpoint: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: CallOptions;
  /** The limit in milliseconds; `undefined` for none. */
  readonly timeoutMs: number | undefined;
  /** Names of metadata that the surrounding handler's call hands on. */
  readonly forward: readonly string[];
}

/**
 * The context of an outgoing call. Inside a handler it ends with that handler's call: its deadline is no later, and it is cancelled with it.
 *
 * @param expired makes the error of a deadline, as only the call knows what it was waiting for
 * @returns the context, and what to call when the call is over
 */
export function outgoing(
  init: CallerInit,
  expired: (ms: number) => OctavoError,
): { context: Context; done: () => void } {
  const { clock, options, timeoutMs } = init;
  const parent = Context.current();
  const own = timeoutMs === undefined || timeoutMs === 0 ? undefined : clock.now() + timeoutMs;
  const deadline = earlier(own, parent?.deadline);
  const context = new Context({
    service: init.service,
    endpoint: init.endpoint,
    clock,
    logger: init.logger,
    metadata: outgoingMetadata(options.metadata, parent, init.forward),
    peer: UNKNOWN_PEER,
    deadline,
  });
  const undo: (() => void)[] = [];
  if (parent !== undefined) undo.push(parent.onCancel((reason) => context.cancel(inherited(reason))));
  const { signal } = options;
  if (signal !== undefined) undo.push(onAbort(signal, context));
  if (deadline !== undefined) {
    const ms = context.remainingMs;
    const timer = clock.after(ms, () => context.cancel(expired(ms)));
    undo.push(() => timer.cancel());
  }
  return {
    context,
    done() {
      for (const each of undo) each();
      context.end();
    },
  };
}

/** The trace that a call is a part of goes on with the calls made inside it. Source: W3C Trace Context. */
const TRACE = ['traceparent', 'tracestate'];

/** What travels with a call or an event: what it is given, the trace around it, and of the rest what is listed. */
export function outgoingMetadata(
  given: MetadataInit | undefined,
  parent: Context | undefined,
  forward: readonly string[],
): Metadata {
  const metadata = given === undefined ? new Metadata() : checkMetadata(new Metadata(given));
  if (parent === undefined) return metadata;
  for (const name of [...TRACE, ...forward])
    if (!metadata.has(name)) for (const value of parent.metadata.getAll(name)) metadata.append(name, value);
  return metadata;
}

function onAbort(signal: AbortSignal, context: Context): () => void {
  const abort = (): void => context.cancel(aborted(signal.reason));
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return () => signal.removeEventListener('abort', abort);
}

function aborted(reason: unknown): OctavoError {
  if (reason instanceof OctavoError) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError')
    return new OctavoError('deadline_exceeded', reason.message, { cause: reason });
  return new OctavoError('cancelled', 'the call was aborted', { cause: reason });
}

/** Why the outer call ended ends the inner one too; the claim that it was not executed is not true of this one. */
function inherited(reason: OctavoError): OctavoError {
  return new OctavoError(reason.code, `the call around it ended: ${reason.message}`, { cause: reason });
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
