import type { Context, Follower, Peer } from '../../core/context.js';
import type { Crowd, Place } from '../../core/crowd.js';
import type { Deadlines, Expiring, Expiry } from '../../core/deadlines.js';
import { OctavoError } from '../../core/error.js';
import type { Metadata } from '../../core/metadata.js';
import type { Method, StreamKind } from '../../schema/method.js';
import type { Call, Tries } from '../../wrapper/wrapper.js';
import type { CallOptions } from '../client.js';
import type { History } from './history.js';
import type { Replay } from './replay.js';

export interface ClientCallInit {
  readonly kind: StreamKind;
  readonly service: string;
  readonly endpoint: string;
  readonly context: Context;
  readonly request: unknown;
  readonly contentType: string;
  readonly method: Method | undefined;
  readonly options: CallOptions;
  /** The calls that are under way: it is among them until its end. */
  readonly active: Crowd<ClientCall>;
  /** The handler's call that it is made in. */
  readonly outer: Context | undefined;
}

/**
 * A call on its way out. Inside a handler it ends with that handler's call: its deadline is no later, and it is cancelled with it.
 *
 * Its deadline and every other cancellation end it at once, whatever it waits for.
 */
export class ClientCall implements Call, Expiring, Follower {
  readonly side = 'client';
  readonly kind: StreamKind;
  readonly service: string;
  readonly endpoint: string;
  readonly context: Context;
  readonly request: unknown;
  readonly contentType: string;
  readonly method: Method | undefined;
  readonly options: CallOptions;
  readonly idempotent: boolean;
  peer: Peer | undefined = undefined;
  attempt: number | undefined = undefined;
  tries: Tries | undefined = undefined;
  /** What it streams, on wires where an attempt may begin again with it. */
  items: Replay | undefined = undefined;
  /** The attempts that failed, where any did. */
  history: History | undefined = undefined;
  /** The attempt under way, for a wire to say so: it is told where the attempt is given up, and the call goes on. */
  attempting: Follower | undefined = undefined;
  readonly #active: Crowd<ClientCall>;
  #place: Place<ClientCall> | undefined = undefined;
  #expiry: Expiry | undefined = undefined;
  #waitsFor = 'a node';
  #waitsAt = '';
  readonly #outer: Context | undefined;
  #signal: AbortSignal | undefined = undefined;
  #abort: (() => void) | undefined = undefined;

  constructor(init: ClientCallInit) {
    this.kind = init.kind;
    this.service = init.service;
    this.endpoint = init.endpoint;
    this.context = init.context;
    this.request = init.request;
    this.contentType = init.contentType;
    this.method = init.method;
    this.options = init.options;
    this.idempotent = init.method?.options.idempotent === true;
    this.#active = init.active;
    this.#outer = init.outer;
  }

  /** Ties it to its deadline, its signal and the call around it. */
  begin(deadlines: Deadlines): void {
    const { context } = this;
    const { signal } = this.options;
    this.#place = this.#active.add(this);
    this.#outer?.follow(this);
    if (signal !== undefined) this.#follow(signal);
    if (context.deadline === undefined || context.cancelled !== undefined) return;
    this.#expiry = deadlines.add(this, context.deadline, this.#limitMs);
  }

  /** The call around it was cancelled. */
  cancelled(reason: OctavoError): void {
    this.context.cancel(inherited(reason));
  }

  cut(reason: OctavoError): void {
    const { attempting } = this;
    this.attempting = undefined;
    attempting?.cancelled(reason);
  }

  /** Lets go of what it holds, and says how a stream failed that nobody may read. Twice is once. */
  end(error?: OctavoError): void {
    this.#expiry?.leave();
    this.#outer?.leave(this);
    if (this.#abort !== undefined) this.#signal?.removeEventListener('abort', this.#abort);
    this.context.end(error);
    this.#place?.leave();
  }

  expire(): void {
    const { service, endpoint, waiting } = this;
    const ms = Math.round(this.#limitMs);
    this.context.cancel(
      new OctavoError(
        'deadline_exceeded',
        `${service} ${endpoint} took longer than ${ms} ms: it waited for ${waiting}`,
      ),
    );
  }

  get #limitMs(): number {
    const { begunAt, deadline = begunAt } = this.context;
    return Math.max(0, deadline - begunAt);
  }

  /** What the call waits for, and where, for the error of a deadline. */
  get waiting(): string {
    const place = this.#waitsAt === '' ? this.#waitsFor : `${this.#waitsFor} ${this.#waitsAt}`;
    return this.history === undefined ? place : `${place}, after ${this.history.text}`;
  }

  waitsFor(what: string, where = ''): void {
    this.#waitsFor = what;
    this.#waitsAt = where;
  }

  get metadata(): Metadata {
    return this.context.metadata;
  }

  #follow(signal: AbortSignal): void {
    const abort = (): void => this.context.cancel(aborted(signal.reason));
    if (signal.aborted) return abort();
    this.#signal = signal;
    this.#abort = abort;
    signal.addEventListener('abort', abort, { once: true });
  }
}

/** What the reason of an `AbortSignal` says. */
export function aborted(reason: unknown): OctavoError {
  if (reason instanceof OctavoError) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError')
    return new OctavoError('deadline_exceeded', reason.message, { cause: reason });
  return new OctavoError('cancelled', 'the call was aborted', { cause: reason });
}

/** Why the outer call ended ends the inner one too; the claim that it was not executed is not true of this one. */
function inherited(reason: OctavoError): OctavoError {
  return new OctavoError(reason.code, `the call around it ended: ${reason.message}`, { cause: reason });
}
