/**
 * How a call can fail. The names and numbers are gRPC's sixteen codes; every wire maps to and from them.
 *
 * `http` is the status of a plain HTTP reply. `micro` is the code in go-micro's error JSON. `retryable` says whether another
 * node, or the same one a little later, might do better. Source: google.rpc.Code, and connectrpc.com/docs/protocol for `http`.
 */
export const CODES = {
  cancelled: { grpc: 1, http: 499, micro: 499, retryable: false },
  unknown: { grpc: 2, http: 500, micro: 500, retryable: false },
  invalid_argument: { grpc: 3, http: 400, micro: 400, retryable: false },
  deadline_exceeded: { grpc: 4, http: 504, micro: 408, retryable: false },
  not_found: { grpc: 5, http: 404, micro: 404, retryable: false },
  already_exists: { grpc: 6, http: 409, micro: 409, retryable: false },
  permission_denied: { grpc: 7, http: 403, micro: 403, retryable: false },
  resource_exhausted: { grpc: 8, http: 429, micro: 429, retryable: true },
  failed_precondition: { grpc: 9, http: 400, micro: 412, retryable: false },
  aborted: { grpc: 10, http: 409, micro: 409, retryable: true },
  out_of_range: { grpc: 11, http: 400, micro: 400, retryable: false },
  unimplemented: { grpc: 12, http: 501, micro: 501, retryable: false },
  internal: { grpc: 13, http: 500, micro: 500, retryable: false },
  unavailable: { grpc: 14, http: 503, micro: 503, retryable: true },
  data_loss: { grpc: 15, http: 500, micro: 500, retryable: false },
  unauthenticated: { grpc: 16, http: 401, micro: 401, retryable: false },
} as const;

/** The name of one of the sixteen codes. */
export type Code = keyof typeof CODES;

/** One fact about an error that a program can read. `type` says what the other members mean. */
export interface ErrorDetail {
  readonly type: string;
  readonly [member: string]: unknown;
}

/** One field that broke a rule. `field` is the path from the request, such as `address.lines[2]`. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface ErrorOptions {
  /** Facts for programs; they travel to the caller. */
  readonly details?: readonly ErrorDetail[];
  /** What was caught. It is logged and never leaves the process. */
  readonly cause?: unknown;
  /** Whether another try might do better. @defaultValue what the code's row in {@link CODES} says */
  readonly retryable?: boolean;
  /** `false` where the request provably did not reach a handler, so that anybody may send it again. */
  readonly executed?: false;
  /** Who says so, in go-micro's `id` member: a service or part of one. */
  readonly id?: string;
}

/** The type of the detail that says when another try may be made, in its member `ms`. */
export const RETRY_AFTER = 'retry_after';

/** The type of the detail that lists the fields which broke a rule. */
export const FIELD_VIOLATIONS = 'field_violations';

/**
 * The one error class. It keeps code, message and details across every transport and codec.
 *
 * Messages name the thing, then the remedy: `no node of "greeter" (asked registry "mdns")`.
 */
export class OctavoError extends Error {
  override readonly name = 'OctavoError';
  readonly code: Code;
  readonly details: readonly ErrorDetail[];
  readonly retryable: boolean;
  readonly executed: false | undefined;
  readonly id: string | undefined;

  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? [];
    this.retryable = options.retryable ?? CODES[code].retryable;
    this.executed = options.executed;
    this.id = options.id;
  }

  /** The fields that broke a rule; empty for every other error. */
  get violations(): readonly FieldViolation[] {
    const detail = this.details.find(({ type }) => type === FIELD_VIOLATIONS);
    return Array.isArray(detail?.['fields']) ? (detail['fields'] as FieldViolation[]) : [];
  }

  /** How long to wait before another try, in milliseconds, where the other side said so. */
  get retryAfterMs(): number | undefined {
    const ms = this.details.find(({ type }) => type === RETRY_AFTER)?.['ms'];
    return typeof ms === 'number' && ms >= 0 ? ms : undefined;
  }

  /** The same error if it is one; a `cancelled` for an abort; else `internal` around what was thrown. */
  static from(reason: unknown): OctavoError {
    if (reason instanceof OctavoError) return reason;
    if (reason instanceof Error && reason.name === 'AbortError')
      return new OctavoError('cancelled', reason.message, { cause: reason });
    return new OctavoError('internal', messageOf(reason), { cause: reason });
  }
}

function messageOf(reason: unknown): string {
  try {
    return reason instanceof Error ? reason.message : String(reason);
  } catch {
    return 'something was thrown that has no text';
  }
}

/** An `invalid_argument` that lists the fields which broke a rule. */
export function invalidArgument(message: string, fields: readonly FieldViolation[] = []): OctavoError {
  const details = fields.length === 0 ? [] : [{ type: FIELD_VIOLATIONS, fields }];
  return new OctavoError('invalid_argument', message, { details });
}
