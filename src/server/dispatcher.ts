import { randomUUID } from 'node:crypto';
import type { Context } from '../core/context.js';
import { OctavoError } from '../core/error.js';
import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import type { StreamKind } from '../schema/method.js';
import { compose, type Call, type Next, type Reply, type Wrapper } from '../wrapper/wrapper.js';
import type { Endpoint } from './server.js';
import { ServerCall } from './server-call.js';

/** Where the answer to a call goes: the wire's side of a dispatch. */
export interface ReplySink {
  /** The one reply of a call that is no stream. Nothing follows. */
  reply(reply: Reply): void;
  /** One item of a stream. A promise means: wait for it before the next one. Throws what the wire cannot carry. */
  item(value: unknown): MaybePromise<void>;
  /** The stream is over, in order or with an error; or the call has failed. Nothing follows. */
  end(error?: OctavoError): void;
}

/** An endpoint with its wrappers around it. */
export interface DispatchRoute {
  readonly endpoint: Endpoint;
  readonly run: Next;
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
 * Runs calls: finds the endpoint, puts wrappers around the handler, keeps deadline and cancellation, and turns whatever is thrown into an
 * answer. It knows nothing of the wire, so that a handler behaves the same on every one.
 */
export class Dispatcher {
  readonly #routes = new Map<string, DispatchRoute>();
  readonly #wrappers: readonly Wrapper[];
  readonly #active = new Set<Context>();
  #requests = 0;
  #errors = 0;
  #streams = 0;
  #onIdle: (() => void) | undefined;

  /** @param wrappers stand around every endpoint */
  constructor(wrappers: readonly Wrapper[]) {
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

  /** Adds an endpoint. Throws `failed_precondition` when its name is taken. */
  add(endpoint: Endpoint): void {
    const { endpoint: name } = endpoint.method;
    if (this.#routes.has(name))
      throw new OctavoError(
        'failed_precondition',
        `two handlers serve the endpoint ${name}: rename one of the methods`,
      );
    const run = compose([...this.#wrappers, ...endpoint.wrappers], (call) => invoke(endpoint, call));
    this.#routes.set(name, { endpoint, run });
  }

  /** The route of an endpoint. Throws `unimplemented`, `executed: false`, that names those there are. */
  find(name: string): DispatchRoute {
    const route = this.#routes.get(name);
    if (route !== undefined) return route;
    const known = this.endpoints.filter(({ method }) => method.options.internal !== true).slice(0, 20);
    const names = known.map(({ method }) => method.endpoint).join(', ');
    throw new OctavoError('unimplemented', `no endpoint "${name}": there are ${names || 'none'}`, {
      executed: false,
    });
  }

  /**
   * Runs a call and gives its outcome to the sink, once. The deadline and every other cancellation answer at once, even where the handler
   * goes on.
   *
   * @param read decodes the request, or gives the items of it
   */
  dispatch(route: DispatchRoute, context: Context, read: () => unknown, sink: ReplySink): void {
    const { method } = route.endpoint;
    const { kind, endpoint, options } = method;
    const call = new ServerCall({ kind, endpoint, idempotent: options.idempotent === true }, context, read);
    this.#requests++;
    this.#active.add(context);
    if (kind !== 'unary') this.#streams++;
    const run = new Run(context, sink, (error) => this.#ended(context, kind, error));
    if (run.over) return;
    context.run(() => {
      let replied: Promise<Reply>;
      try {
        replied = route.run(call);
      } catch (reason) {
        run.fail(this.#public(reason, context));
        return;
      }
      const streams = kind === 'server' || kind === 'bidi';
      replied.then(
        (reply) => (streams ? this.#pump(reply, run, context) : run.reply(reply)),
        (reason: unknown) => run.fail(this.#public(reason, context)),
      );
    });
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
    for (const context of [...this.#active]) context.cancel(reason);
  }

  async #pump(reply: Reply, run: Run, context: Context): Promise<void> {
    if (!isAsyncIterable(reply.body)) {
      const what = `${context.endpoint} is a stream, but what it returned cannot be iterated`;
      return run.fail(this.#public(new Error(what), context));
    }
    const iterator = reply.body[Symbol.asyncIterator]();
    if (run.over) return leave(iterator);
    run.onEnd = () => void leave(iterator);
    try {
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

  #ended(context: Context, kind: StreamKind, error: OctavoError | undefined): void {
    if (kind !== 'unary') this.#streams--;
    if (error !== undefined) this.#errors++;
    this.#active.delete(context);
    if (this.#active.size > 0) return;
    this.#onIdle?.();
    this.#onIdle = undefined;
  }

  /** What the caller may see of what was thrown. */
  #public(reason: unknown, context: Context): OctavoError {
    if (context.cancelled !== undefined) return context.cancelled;
    // A call made inside the handler may not have been executed; this one was.
    if (reason instanceof OctavoError) return reason.executed === false ? again(reason) : reason;
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

/** One dispatch until its outcome is out. */
class Run {
  readonly #context: Context;
  readonly #sink: ReplySink;
  readonly #onOver: (error: OctavoError | undefined) => void;
  readonly #timer: { cancel(): void } | undefined;
  onEnd: (() => void) | undefined;
  over = false;

  constructor(context: Context, sink: ReplySink, onOver: (error: OctavoError | undefined) => void) {
    this.#context = context;
    this.#sink = sink;
    this.#onOver = onOver;
    const { deadline, clock, endpoint } = context;
    if (deadline !== undefined) {
      const ms = context.remainingMs;
      this.#timer = clock.after(ms, () =>
        context.cancel(
          new OctavoError('deadline_exceeded', `${endpoint} took longer than its ${Math.round(ms)} ms`),
        ),
      );
    }
    context.onCancel((reason) => this.fail(reason));
  }

  reply(reply: Reply): void {
    if (this.over) return;
    this.#close(undefined);
    this.#sink.reply(reply);
  }

  item(value: unknown): MaybePromise<void> {
    return this.#sink.item(value);
  }

  end(): void {
    if (this.over) return;
    this.#close(undefined);
    this.#sink.end();
  }

  fail(error: OctavoError): void {
    if (this.over) return;
    this.#close(error);
    this.#sink.end(error);
  }

  #close(error: OctavoError | undefined): void {
    this.over = true;
    this.#timer?.cancel();
    this.#context.end();
    this.#onOver(error);
    this.onEnd?.();
  }
}

/** Decodes what no wrapper has touched, and calls the handler. What it throws becomes a rejection, which is what wrappers expect. */
function invoke({ handler }: Endpoint, call: Call): Promise<Reply> {
  try {
    const answer = handler(call.request, call.context);
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
