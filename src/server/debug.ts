import type { Clock } from '../core/clock.js';
import type { Context } from '../core/context.js';
import { ConsoleLogger } from '../core/console-logger.js';
import type { Logger, LogRecord } from '../core/logger.js';
import { CachedRegistry } from '../registry/cache.js';
import type { Registry } from '../registry/registry.js';
import { declareField, declareMessage } from '../schema/declaration.js';
import type { FieldType } from '../schema/field-type.js';
import type { MessageType } from '../schema/message-type.js';
import type { StreamKind } from '../schema/method.js';
import type { Reading } from '../wrapper/wrapper.js';
import type { DispatchStats } from './dispatcher.js';
import type { Endpoint } from './server.js';

/** Asks `Debug.Health`. */
export class HealthRequest {}
/** `status` is `ok`. */
export class HealthResponse {
  status = '';
}
/** Asks `Debug.Stats`. */
export class StatsRequest {}
/**
 * Seconds since the epoch, seconds, bytes and counts, as go-micro has them. `gc` is not known here and 0.
 *
 * `stale` lists the services that are called by the registry's last answer, as it cannot be asked, and `readings` what the wrappers say of
 * their state: `breaker_state desk`. They are Octavo's own.
 */
export class StatsResponse {
  timestamp = 0n;
  started = 0n;
  uptime = 0n;
  memory = 0n;
  threads = 0n;
  gc = 0n;
  requests = 0n;
  errors = 0n;
  stale: string[] = [];
  readings = new Map<string, number>();
}
/** Asks `Debug.Log` for the newest `count` records, or all that are kept, since a time in seconds. `stream` is not followed. */
export class LogRequest {
  service = '';
  stream = false;
  count = 0n;
  since = 0n;
}
/** One line of the log. `timestamp` is in seconds since the epoch. */
export class LogLine {
  timestamp = 0n;
  metadata = new Map<string, string>();
  message = '';
}

declareFields(HealthRequest, 'debug.HealthRequest', {});
declareFields(HealthResponse, 'debug.HealthResponse', { status: 'string' });
declareFields(StatsRequest, 'debug.StatsRequest', {});
declareFields(StatsResponse, 'debug.StatsResponse', {
  timestamp: 'uint64',
  started: 'uint64',
  uptime: 'uint64',
  memory: 'uint64',
  threads: 'uint64',
  gc: 'uint64',
  requests: 'uint64',
  errors: 'uint64',
});
declareField(StatsResponse.prototype, {
  property: 'stale',
  id: 101,
  label: 'repeated',
  type: 'string',
  optional: false,
});
declareField(StatsResponse.prototype, {
  property: 'readings',
  id: 102,
  label: 'map',
  key: 'string',
  type: 'double',
  optional: false,
});
declareFields(LogRequest, 'debug.LogRequest', {
  service: 'string',
  stream: 'bool',
  count: 'int64',
  since: 'int64',
});
declareMessage(LogLine, 'debug.Record', []);
declareField(LogLine.prototype, {
  property: 'timestamp',
  id: 1,
  label: 'single',
  type: 'int64',
  optional: false,
});
declareField(LogLine.prototype, {
  property: 'metadata',
  id: 2,
  label: 'map',
  key: 'string',
  type: 'string',
  optional: false,
});
declareField(LogLine.prototype, {
  property: 'message',
  id: 3,
  label: 'single',
  type: 'string',
  optional: false,
});

/** How many readings `Debug.Stats` shows, and how much of each name. */
const MOST_READINGS = 1_000;
const LONGEST_NAME = 256;

export interface DebugParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: () => DispatchStats;
  readonly registry: Registry;
  readonly readings: () => Iterable<Reading>;
  /** The proto package that they are called in. */
  readonly package: string;
}

/**
 * The endpoints that go-micro's tools ask of every service: `Debug.Health`, `Debug.Stats`, `Debug.Log`. They are not in the registry.
 *
 * Source: go-micro v4.11 `debug/proto/debug.proto`.
 */
export function debugEndpoints({
  clock,
  logger,
  stats,
  registry,
  readings,
  package: pack,
}: DebugParts): readonly Endpoint[] {
  const started = clock.now();
  const endpoint = endpointsIn(pack);
  return [
    endpoint('health', HealthRequest, HealthResponse, 'unary', () => ({ status: 'ok' })),
    endpoint('stats', StatsRequest, StatsResponse, 'unary', () => {
      const { requests, errors } = stats();
      return {
        timestamp: seconds(clock.now()),
        started: seconds(started),
        uptime: seconds(clock.now() - started),
        memory: BigInt(process.memoryUsage.rss()),
        threads: 1n,
        gc: 0n,
        requests: BigInt(requests),
        errors: BigInt(errors),
        stale: registry instanceof CachedRegistry ? registry.stale : [],
        readings: shown(readings()),
      };
    }),
    // What the endpoint reads is what it declares.
    endpoint('log', LogRequest, LogLine, 'server', (request) => lines(request as LogRequest, logger)),
  ];
}

/** So many as a reply can well hold. */
function shown(readings: Iterable<Reading>): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  for (const { what, name, value } of readings) {
    if (all.size >= MOST_READINGS) break;
    all.set(name === '' ? what : `${what} ${name.slice(0, LONGEST_NAME)}`, value);
  }
  return all;
}

async function* lines({ count, since }: LogRequest, logger: Logger): AsyncIterable<LogLine> {
  const kept = logger instanceof ConsoleLogger ? logger.recent() : [];
  const wanted = kept.filter(({ time }) => seconds(time) >= since);
  for (const record of count > 0n ? wanted.slice(-Number(count)) : wanted) yield line(record);
}

function line({ time, level, message, fields }: LogRecord): LogLine {
  const metadata = new Map([['level', level]] as [string, string][]);
  for (const [name, value] of Object.entries(fields)) metadata.set(name, String(value));
  return { timestamp: seconds(time), metadata, message };
}

function seconds(ms: number): bigint {
  return BigInt(Math.floor(ms / 1_000));
}

type MakeEndpoint = (
  property: string,
  request: MessageType,
  reply: MessageType,
  kind: StreamKind,
  handler: (request: unknown, context: Context) => unknown,
) => Endpoint;

/** Makes the endpoints of `Debug`, in a proto package. */
export function endpointsIn(pack: string): MakeEndpoint {
  return (property, request, reply, kind, handler) => {
    const endpoint = `Debug.${property.charAt(0).toUpperCase()}${property.slice(1)}`;
    const options = { internal: true, idempotent: true, ...(kind !== 'unary' && { stream: kind }) };
    return {
      method: { property, endpoint, package: pack, kind, request, reply, options },
      handler,
      wrappers: [],
    };
  };
}

/** Declares a message whose fields have the ids 1, 2, 3 in the order given. Decorators are a floor above. */
export function declareFields(
  type: MessageType,
  name: string,
  fields: Readonly<Record<string, FieldType>>,
): void {
  declareMessage(type, name, []);
  for (const [at, [property, fieldType]] of Object.entries(fields).entries())
    declareField(type.prototype as object, {
      property,
      id: at + 1,
      label: 'single',
      type: fieldType,
      optional: false,
    });
}
