import type { Readable, Writable } from 'node:stream';
import type { OctavoError } from '../../core/error.js';
import type { PoolStats } from '../../core/pool-stats.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { ClientCall } from '../calling/client-call.js';
import type { Target } from './target.js';

/** The head of a request. */
export interface RequestHead {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Name, value, name, value, ..., in small letters. */
  readonly headers: string[];
}

/** The head of an answer, and what follows it. */
export interface Answer {
  readonly status: number;
  /** Name, value, name, value, ... */
  readonly headers: readonly string[];
  /** Nothing is read before somebody does. Fails where it breaks off. */
  readonly body: Readable;
}

/** Who asks, and is told what becomes of it: of failing or an answer one, once. */
export interface Asker {
  readonly call: ClientCall;
  /** The connection is there: what is sent from now on may be executed. */
  connected(): void;
  answered(answer: Answer): void;
  failed(error: OctavoError): void;
}

/** Something under way. */
export interface Cuttable {
  /** Cuts it off, answer included. The asker is told nothing any more. */
  cut(): void;
}

/** A request under way. */
export interface Asked extends Cuttable {
  /** Its body; whoever asks ends it. */
  readonly body: Writable;
}

/** What asks on connections of one version of HTTP. Throws or rejects where there is none to be had, with `executed: false`. */
export interface Connections {
  readonly stats: PoolStats;
  ask(target: Target, head: RequestHead, asker: Asker): MaybePromise<Asked>;
  /** Closes all. */
  destroy(): void;
}

/** An answer that is there to its end. */
export interface WholeAnswer {
  readonly status: number;
  /** Name, value, name, value, ... */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** Who asks with a body that is there, for an answer that is. */
export interface WholeAsker extends Pick<Asker, 'call' | 'connected' | 'failed'> {
  wholly(answer: WholeAnswer): void;
}

/** What asks with a whole body for a whole answer. Throws or rejects as {@link Connections}. */
export interface WholeConnections {
  /** Of its own: those that it has from {@link Connections} are counted there. */
  readonly stats: PoolStats;
  call(target: Target, head: RequestHead, body: Uint8Array, asker: WholeAsker): MaybePromise<Cuttable>;
  destroy(): void;
}
