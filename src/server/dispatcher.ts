import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { Context, type Peer } from '../core/context.js';
import { Crowd } from '../core/crowd.js';
import { Deadlines } from '../core/deadlines.js';
import { OctavoError } from '../core/error.js';
import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import type { Logger } from '../core/logger.js';
import type { Metadata } from '../core/metadata.js';
import { attach, checkGuarded } from '../wrapper/attach.js';
import { compose, type Call, type Next, type Reply, type Wrapper } from '../wrapper/wrapper.js';
import type { ReplySink } from './reply-sink.js';
import { RunningCall, type Running } from './running-call.js';
import type { Endpoint, ServerOptions } from './server.js';
import { ServerCall } from './server-call.js';

/** The request of a call, which is read when somebody wants to see it; at most once. */
export interface Requested {
  /** Decodes the request, or gives the items of it. */
  read(): unknown;
  /**
   * Tells, once, when the request has come; left out where it is there. Without a promise, of which a call would feel the price.
   */
  arrive?(waiting: Waiting): void;
}

/** Who waits for a request. */
export interface Waiting {
  arrived(this: void): void;
  failed(this: void, reason: unknown): void;
}

/** What a wire knows of a call when its head is in. */
export interface Arrival {
  /** Milliseconds since the epoch, as the clock has it. */
  readonly now: number;
  /** For how long the caller waits, in milliseconds; `undefined` where it does not say. */
  readonly timeoutMs: number | undefined;
  readonly metadata: Metadata | (() => Metadata);
  readonly peer: Peer;
}

/** How much is taken at once, and for how long it may take. */
export type DispatchLimits = Required<Pick<ServerOptions, 'requestTimeoutMs' | 'maxInFlight' | 'maxStreams'>>;

export interface DispatcherParts {
  /** Whose endpoints they are, as contexts and errors say it. */
  readonly service: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: DispatchLimits;
}

/** An endpoint with its wrappers around it. */
export interface DispatchRoute {
  readonly endpoint: Endpoint;
  /** Through the wrappers; `undefined` where there are none, and the handler is called as it is. */
  readonly wrapped: Next | undefined;
}

/** What happened since the start, for `Debug.Stats`. */
export interface DispatchStats {
  readonly requests: number;
  readonly errors: number;
  readonly active: number;
  /** How many of those are streams. */
  readonly streams: number;
}

/**
 * Runs calls: finds the endpoint, refuses what is too much, puts wrappers around the handler, keeps deadline and cancellation, and turns
 * whatever is thrown into an answer. It knows nothing of the wire, so that a handler behaves the same on every one.
 */
export class Dispatcher implements Running {
  readonly #routes = new Map<string, DispatchRoute>();
  readonly #packages = new Set<string>();
  readonly #parts: DispatcherParts;
  readonly #wrappers: readonly Wrapper[];
  readonly #active = new Crowd<RunningCall>();
  readonly #deadlines: Deadlines;
  #closed = false;
  #requests = 0;
  #errors = 0;
  #streams = 0;
  #onIdle: (() => void) | undefined;

  /** @param wrappers stand around every endpoint */
  constructor(parts: DispatcherParts, wrappers: readonly Wrapper[]) {
    this.#parts = parts;
    this.#deadlines = new Deadlines(parts.clock);
    attach(wrappers, { around: 'handler', name: parts.service });
    this.#wrappers = wrappers;
  }

  get stats(): DispatchStats {
    const active = this.#active.size;
    return { requests: this.#requests, errors: this.#errors, active, streams: this.#streams };
  }

  /** Every endpoint, in order of name. */
  get endpoints(): readonly Endpoint[] {
    return [...this.#routes.values()]
      .map(({ endpoint }) => endpoint)
      .sort((a, b) => (a.method.endpoint < b.method.endpoint ? -1 : 1));
  }

  /** The proto packages of the endpoints. */
  get packages(): ReadonlySet<string> {
    return this.#packages;
  }

  /** Adds an endpoint. Throws `failed_precondition` when its name is taken. */
  add(endpoint: Endpoint): void {
    const { endpoint: name } = endpoint.method;
    if (this.#routes.has(name))
      throw new OctavoError(
        'failed_precondition',
        `two handlers serve the endpoint ${name}: rename one of the methods`,
      );
    attach(endpoint.wrappers, { around: 'handler', name, method: endpoint.method });
    const wrappers = [...this.#wrappers, ...endpoint.wrappers];
    checkGuarded(wrappers, { name, access: endpoint.method.access });
    const wrapped = wrappers.length === 0 ? undefined : compose(wrappers, (call) => invoke(endpoint, call));
    this.#routes.set(name, { endpoint, wrapped });
    this.#packages.add(endpoint.method.package);
  }

  /** Takes calls, as it does from the beginning. */
  open(): void {
    this.#closed = false;
  }

  /** Takes no more calls; those that run go on. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Lets a call in, before anything is spent on it, and tells its route.
   *
   * @throws with `executed: false`: `unavailable` when closed, `unimplemented` that names the endpoints there are, `resource_exhausted`
   */
  admit(name: string): DispatchRoute {
    const { service } = this.#parts;
    if (this.#closed) throw new OctavoError('unavailable', `${service} is stopping`, { executed: false });
    const route = this.#find(name);
    this.#checkRoom(route.endpoint.method.kind === 'unary');
    return route;
  }

  /** The context of a call that was let in, with the shortest of the limits that hold for it. */
  context({ endpoint: { method } }: DispatchRoute, { now, timeoutMs, metadata, peer }: Arrival): Context {
    const { service, clock, logger, limits } = this.#parts;
    const { endpoint } = method;
    const allowed = method.options.timeoutMs;
    const otherwise = allowed ?? (method.kind === 'unary' ? limits.requestTimeoutMs : undefined);
    const ms = timeoutMs === undefined ? otherwise : Math.min(timeoutMs, allowed ?? timeoutMs);
    const deadline = ms === undefined || ms === 0 ? undefined : now + ms;
    return new Context({ service, endpoint, clock, logger, metadata, peer, deadline, now });
  }

  /**
   * Runs a call and gives its outcome to the sink, once. The deadline and every other cancellation answer at once, even where the handler
   * goes on.
   *
   * @param request a promise while it is on its way, for which the call counts already
   */
  dispatch(route: DispatchRoute, context: Context, request: MaybePromise<Requested>, sink: ReplySink): void {
    const { kind } = route.endpoint.method;
    this.#requests++;
    const run = new RunningCall(context, kind, sink, this);
    if (kind !== 'unary') this.#streams++;
    run.begin(this.#active, this.#deadlines);
    const there = !isPromise(request);
    if (there && request.arrive === undefined) return this.#run(route, request, run);
    const failed = (reason: unknown): void => run.fail(OctavoError.from(reason));
    if (there) request.arrive?.({ arrived: () => this.#run(route, request, run), failed });
    else request.then((it) => this.#run(route, it, run), failed);
  }

  /** Resolves when no call runs. */
  idle(): Promise<void> {
    if (this.#active.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Cancels every call that runs. */
  cancel(reason: OctavoError): void {
    for (const { context } of this.#active) context.cancel(reason);
  }

  #find(name: string): DispatchRoute {
    const route = this.#routes.get(name);
    if (route !== undefined) return route;
    const known = this.endpoints.filter(({ method }) => method.options.internal !== true).slice(0, 20);
    const names = known.map(({ method }) => method.endpoint).join(', ');
    throw new OctavoError('unimplemented', `no endpoint "${name}": there are ${names || 'none'}`, {
      executed: false,
    });
  }

  #checkRoom(unary: boolean): void {
    const { service, limits } = this.#parts;
    const count = unary ? this.#active.size - this.#streams : this.#streams;
    if (count < (unary ? limits.maxInFlight : limits.maxStreams)) return;
    const what = unary ? 'calls in flight (maxInFlight)' : 'open streams (maxStreams)';
    throw new OctavoError('resource_exhausted', `${service} has ${count} ${what}`, { executed: false });
  }

  #run(route: DispatchRoute, request: Requested, run: RunningCall): void {
    if (run.over) return;
    const { context } = run;
    context.run(() => {
      try {
        if (route.wrapped === undefined) this.#bare(route.endpoint, request, run);
        else this.#wrapped(route.wrapped, route.endpoint, request, run);
      } catch (reason) {
        run.fail(this.#public(reason, context));
      }
    });
  }

  /** What costs nothing where there are no wrappers. */
  #bare({ handler }: Endpoint, request: Requested, run: RunningCall): void {
    const read = request.read();
    if (run.kind !== 'unary') run.callBegun();
    const answer = handler(read, run.context);
    if (isPromise(answer))
      answer.then(
        (body) => this.#answered(body, run),
        (reason: unknown) => run.fail(this.#public(reason, run.context)),
      );
    else this.#answered(answer, run);
  }

  #wrapped(wrapped: Next, { method }: Endpoint, request: Requested, run: RunningCall): void {
    const { context } = run;
    const { kind, endpoint, options } = method;
    const idempotent = options.idempotent === true;
    const call = new ServerCall({ kind, endpoint, idempotent, method }, context, () => request.read());
    wrapped(call).then(
      (reply) => {
        keepBeside(reply, context);
        this.#answered(reply.body, run);
      },
      (reason: unknown) => run.fail(this.#public(reason, context, context.handled)),
    );
  }

  #answered(body: unknown, run: RunningCall): void {
    if (run.kind === 'server' || run.kind === 'bidi') void this.#pump(body, run);
    else run.reply(body);
  }

  async #pump(items: unknown, run: RunningCall): Promise<void> {
    const { context } = run;
    if (!isAsyncIterable(items)) {
      const what = `${context.endpoint} is a stream, but what it returned cannot be iterated`;
      return run.fail(this.#public(new Error(what), context));
    }
    try {
      const iterator = items[Symbol.asyncIterator]();
      if (run.over) return await leave(iterator);
      run.onEnd = () => void leave(iterator);
      for (;;) {
        const step = await iterator.next();
        if (run.over) return;
        if (step.done === true) return run.end();
        const sent = run.item(step.value);
        if (isPromise(sent)) await sent;
        if (run.over) return;
      }
    } catch (reason) {
      run.fail(this.#public(reason, context));
    }
  }

  /** Called by each call, once. */
  ended(run: RunningCall, error: OctavoError | undefined): void {
    if (run.kind !== 'unary') this.#streams--;
    if (error !== undefined) this.#errors++;
    if (this.#active.size > 0) return;
    this.#onIdle?.();
    this.#onIdle = undefined;
  }

  /**
   * What the caller may see of what was thrown.
   *
   * @param handled whether the handler may have done something
   */
  #public(reason: unknown, context: Context, handled = true): OctavoError {
    if (context.cancelled !== undefined) return context.cancelled;
    // A call made inside the handler may not have been executed; this one was.
    if (reason instanceof OctavoError) return handled && reason.executed === false ? again(reason) : reason;
    const id = randomUUID();
    context.log.error('a handler threw what is no OctavoError', { id, error: reason });
    return new OctavoError(
      'internal',
      `internal error ${id}: the log of ${context.service} has it under this id`,
      {
        cause: reason,
      },
    );
  }
}

/** Puts what a wrapper gave beside the reply where the handler puts it. */
function keepBeside({ header, trailer }: Reply, context: Context): void {
  for (const [name, value] of header ?? []) context.reply.header.append(name, value);
  for (const [name, value] of trailer ?? []) context.reply.trailer.append(name, value);
}

/** Decodes what no wrapper has touched, and calls the handler. What it throws becomes a rejection, which is what wrappers expect. */
function invoke({ handler }: Endpoint, call: Call): Promise<Reply> {
  try {
    const { request, context } = call;
    context.begin();
    const answer = handler(request, context);
    if (isPromise(answer)) return answer.then((body) => ({ body }));
    return Promise.resolve({ body: answer });
  } catch (reason) {
    return Promise.reject(reason);
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** Tells a generator that nobody reads on. What it throws while it leaves concerns nobody. */
async function leave(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // The outcome is out already.
  }
}

/** The same error without its claim about another call. */
function again(error: OctavoError): OctavoError {
  const { code, message, details, retryable, id, cause } = error;
  return new OctavoError(code, message, { details, retryable, cause, ...(id !== undefined && { id }) });
}
