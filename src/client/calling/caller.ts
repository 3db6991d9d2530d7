import { Context } from '../../core/context.js';
import type { Clock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import { checkMetadata, Metadata, type MetadataInit } from '../../core/metadata.js';

const UNKNOWN_PEER = { address: '', octavo: false };

export interface CallerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Names of metadata that the surrounding handler's call hands on. */
  readonly forward: readonly string[] | undefined;
}

/** What is known of an outgoing call. */
export interface Outgoing {
  readonly service: string;
  readonly endpoint: string;
  /** What the caller wants to send beside the request. */
  readonly metadata: MetadataInit | undefined;
  /** The limit in milliseconds; `undefined` and `0` for none. */
  readonly timeoutMs: number | undefined;
  /** The handler's call that it is made in. */
  readonly outer: Context | undefined;
}

/** Makes the contexts of outgoing calls. Inside a handler a deadline is no later than that of the handler's call. */
export class Caller {
  readonly #parts: CallerParts;

  constructor(parts: CallerParts) {
    this.#parts = parts;
  }

  context({ service, endpoint, metadata, timeoutMs, outer }: Outgoing): Context {
    const { clock, logger, forward } = this.#parts;
    const now = clock.now();
    const own = timeoutMs === undefined || timeoutMs === 0 ? undefined : now + timeoutMs;
    const bare = metadata === undefined && outer === undefined;
    return new Context({
      service,
      endpoint,
      clock,
      logger,
      metadata: bare ? noMetadata : outgoingMetadata(metadata, outer, forward),
      peer: UNKNOWN_PEER,
      deadline: earlier(own, outer?.deadline),
      now,
    });
  }

  /** The context of an event to publish, which nothing limits and which goes on when the handler around it ends. */
  event(topic: string, metadata: MetadataInit | undefined, outer: Context | undefined): Context {
    const { clock, logger, forward } = this.#parts;
    return new Context({
      service: '',
      endpoint: topic,
      clock,
      logger,
      metadata: outgoingMetadata(metadata, outer, forward),
      peer: UNKNOWN_PEER,
    });
  }
}

/** The trace that a call is a part of goes on with the calls made inside it. Source: W3C Trace Context. */
const TRACE = ['traceparent', 'tracestate'];

/** What travels with a call or an event: what it is given, the trace around it, and of the rest what is listed. */
export function outgoingMetadata(
  given: MetadataInit | undefined,
  outer: Context | undefined,
  forward: readonly string[] = [],
): Metadata {
  const metadata = given === undefined ? new Metadata() : checkMetadata(new Metadata(given));
  if (outer === undefined) return metadata;
  for (const name of [...TRACE, ...forward])
    if (!metadata.has(name)) for (const value of outer.metadata.getAll(name)) metadata.append(name, value);
  return metadata;
}

function noMetadata(): Metadata {
  return new Metadata();
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
