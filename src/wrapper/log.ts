import type { Code, OctavoError } from '../core/error.js';
import type { Level } from '../core/logger.js';
import { redacted } from '../schema/redact.js';
import { untilEnd } from './ending.js';
import type { Call, Reply, Wrapper } from './wrapper.js';

export interface LogOptions {
  /** How loud each outcome is; `'off'` is not logged. @defaultValue `info` for what went well or was the caller's fault, `error` for `internal`, `unknown` and `data_loss`, `warn` for the rest */
  readonly levels?: Readonly<Partial<Record<Code | 'ok', Level | 'off'>>>;
  /** The share of calls that went well and are logged, from 0 to 1; of the others all are. @defaultValue `1` */
  readonly sample?: number;
  /** Whether request and reply are shown, without the fields marked `@Sensitive`. @defaultValue `false` */
  readonly bodies?: boolean;
}

const LEVELS: Readonly<Record<Code | 'ok', Level>> = {
  ok: 'info',
  cancelled: 'info',
  unknown: 'error',
  invalid_argument: 'info',
  deadline_exceeded: 'warn',
  not_found: 'info',
  already_exists: 'info',
  permission_denied: 'warn',
  resource_exhausted: 'warn',
  failed_precondition: 'info',
  aborted: 'warn',
  out_of_range: 'info',
  unimplemented: 'warn',
  internal: 'error',
  unavailable: 'warn',
  data_loss: 'error',
  unauthenticated: 'warn',
};

/** Writes one line for each call, stream or delivery of an event, when it has ended, by the logger that there is. */
export function log(options: LogOptions = {}): Wrapper {
  const levels = { ...LEVELS, ...options.levels };
  const { sample = 1, bodies = false } = options;
  let credit = sample > 0 ? 1 - sample : 0;
  /** Whether this one of those that went well is logged: in turn, so that the share is exact. */
  const sampled = (): boolean => {
    credit += sample;
    if (credit < 1) return false;
    credit--;
    return true;
  };
  return async (call, next) => {
    const { context } = call;
    const begun = context.clock.now();
    let items = 0;
    const ended = (error: OctavoError | undefined, reply?: Reply): void => {
      const code = error?.code ?? 'ok';
      const level = levels[code];
      if (level === 'off' || (code === 'ok' && !sampled())) return;
      context.log[level](call.kind === 'event' ? 'event' : 'call', {
        ...factsOf(call),
        code,
        ms: Math.round((context.clock.now() - begun) * 1_000) / 1_000,
        ...(items > 0 && { items }),
        ...(error !== undefined && { reason: error.message }),
        ...(bodies && bodiesOf(call, reply)),
      });
    };
    return untilEnd(call, next, { ended, item: () => items++ });
  };
}

/** Who called what, and as a part of which trace. */
function factsOf({
  side,
  kind,
  service,
  endpoint,
  context,
  peer,
  attempt,
  subscriber,
  metadata,
}: Call): Record<string, unknown> {
  const address = peer?.address ?? context.peer.address;
  const count = attempt ?? (kind === 'event' && side === 'server' ? context.attempt : undefined);
  const trace = traceOf(metadata.get('traceparent'));
  return {
    side,
    ...(service !== '' && { service }),
    endpoint,
    ...(kind !== 'unary' && kind !== 'event' && { kind }),
    ...(subscriber !== undefined && { subscriber }),
    ...(address !== '' && { peer: address }),
    ...(count !== undefined && { attempt: count }),
    ...(trace !== undefined && { trace }),
  };
}

/** The id of the trace. Source: W3C Trace Context. */
function traceOf(parent: string | undefined): string | undefined {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(parent ?? '')?.[1];
}

function bodiesOf(call: Call, reply: Reply | undefined): Record<string, unknown> {
  const { method, kind, side, context } = call;
  const shown: Record<string, unknown> = {};
  // What was refused before it was decoded is not decoded for the log.
  const known = side === 'client' || context.handled;
  if (known && (kind === 'unary' || kind === 'server') && method !== undefined)
    shown['request'] = redacted(method.request, call.request);
  if (kind === 'unary' && reply !== undefined && method !== undefined)
    shown['reply'] = redacted(method.reply, reply.body);
  return shown;
}
