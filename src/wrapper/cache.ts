import { createHash } from 'node:crypto';
import { Context } from '../core/context.js';
import type { MessageType } from '../schema/message-type.js';
import type { Method } from '../schema/method.js';
import { schemaOf } from '../schema/schema.js';
import { Bounded } from './bounded.js';
import type { Call, Place, Reading, Reply, Wrapper } from './wrapper.js';

export interface CacheOptions {
  /** For how long a reply is given again, in milliseconds. @defaultValue `10_000` */
  readonly ttlMs?: number;
  /** How many replies are kept; the one that was asked for longest ago goes first. @defaultValue `1_000` */
  readonly maxEntries?: number;
  /** A reply of more bytes is not kept. @defaultValue `65_536` */
  readonly maxBytes?: number;
  /** The metadata that a reply depends on, beside `authorization`. @defaultValue none */
  readonly vary?: readonly string[];
}

export interface CacheStats {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
}

/** A wrapper that shows what it keeps. */
export interface Cache extends Wrapper {
  stats(): CacheStats;
  /** Forgets everything. */
  clear(): void;
}

interface Entry {
  readonly bytes: Uint8Array;
  readonly until: number;
}

/**
 * Gives replies of idempotent unary calls again. A reply is found by endpoint, request, principal, `authorization` and what else it varies by.
 *
 * It is kept as bytes, so that everybody gets one of their own. What a contract does not type, what fails, and what has metadata of its
 * own is not kept. Every other call goes through.
 */
export function cache(options: CacheOptions = {}): Cache {
  const { ttlMs = 10_000, maxEntries = 1_000, maxBytes = 65_536, vary = [] } = options;
  let kept = new Bounded<Entry>(maxEntries);
  let hits = 0;
  let misses = 0;
  const wrapper: Wrapper = async (call, next) => {
    const { method, context } = call;
    const key = method !== undefined && cacheable(method) ? keyOf(call, method, vary) : undefined;
    if (method === undefined || key === undefined) return next(call);
    const now = context.clock.now();
    const found = kept.get(key);
    if (found !== undefined && now < found.until) {
      hits++;
      return { body: schemaOf(method.reply).decode(found.bytes) };
    }
    misses++;
    const reply = await next(call);
    const bytes = bytesOf(reply, call, method.reply);
    if (bytes !== undefined && bytes.length <= maxBytes) kept.set(key, { bytes, until: now + ttlMs });
    else kept.delete(key);
    return reply;
  };
  return Object.assign(wrapper, {
    unfit,
    stats: () => ({ hits, misses, entries: kept.size }),
    *readings(): Iterable<Reading> {
      yield { what: 'cache_entries', name: '', value: kept.size };
      yield { what: 'cache_hits_total', name: '', value: hits };
      yield { what: 'cache_misses_total', name: '', value: misses };
    },
    clear: () => {
      kept = new Bounded(maxEntries);
    },
  });
}

function cacheable({ kind, options }: Method): boolean {
  return kind === 'unary' && options.idempotent === true;
}

/** Names what the reply depends on, in 32 bytes; `undefined` where that cannot be said. */
function keyOf(
  { service, endpoint, request, context, metadata }: Call,
  method: Method,
  vary: readonly string[],
): string | undefined {
  const callers = [context, Context.current()].map((each) => [
    each?.principal,
    each?.peer.certificate?.fingerprint256,
  ]);
  const beside = ['authorization', ...vary].map((name) => metadata.getAll(name));
  try {
    const facts = JSON.stringify([service, endpoint, callers, beside], plain);
    // Whatever was decoded or is to be sent is of this type.
    const bytes = schemaOf(method.request).encode(request as object);
    return createHash('sha256').update(facts).update('\0').update(bytes).digest('base64');
  } catch {
    // A principal that is no JSON, or a request that the call itself will refuse.
    return undefined;
  }
}

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

function bytesOf(
  { body, header, trailer }: Reply,
  { context: { replied } }: Call,
  type: MessageType,
): Uint8Array | undefined {
  for (const each of [header, trailer, replied?.header, replied?.trailer])
    if ((each?.size ?? 0) > 0) return undefined;
  if (typeof body !== 'object' || body === null) return undefined;
  try {
    return schemaOf(type).encode(body);
  } catch {
    // The server says so when it sends it.
    return undefined;
  }
}

function unfit({ around, method }: Place): string | undefined {
  if (around === 'subscriber' || around === 'publish')
    return 'cache gives replies again, and an event has none: put it on handlers alone';
  if (around === 'attempt')
    return 'cache stands around whole calls: put it into "wrappers", not "callWrappers"';
  if (method === undefined || cacheable(method)) return undefined;
  return method.kind === 'unary'
    ? 'cache needs an endpoint that is the same when it is done once and twice: declare it with { idempotent: true }'
    : 'cache gives replies again, and no streams: put it on the unary methods';
}
