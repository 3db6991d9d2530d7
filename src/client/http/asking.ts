import type { Readable, Writable } from 'node:stream';
import type { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { ClientCall } from '../calling/client-call.js';
import type { Target } from './target.js';

/** The head of a request. */
export interface RequestHead {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Record<string, string | string[]>;
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

/** A request under way. */
export interface Asked {
  /** Its body; whoever asks ends it. */
  readonly body: Writable;
  /** Cuts it off, answer included. The asker is told nothing any more. */
  cut(): void;
}

/** What asks on connections of one version of HTTP. Throws or rejects where there is none to be had, with `executed: false`. */
export interface Connections {
  ask(target: Target, head: RequestHead, asker: Asker): MaybePromise<Asked>;
  /** Closes all. */
  destroy(): void;
}
