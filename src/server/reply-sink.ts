import type { OctavoError } from '../core/error.js';
import type { MaybePromise } from '../core/lifecycle.js';

/**
 * Where the answer to a call goes: the wire's side of a dispatch.
 *
 * What stands beside the reply is in the context's `replied`, a wrapper's part too. All but `abort` throw what the wire cannot carry.
 */
export interface ReplySink {
  /** The handler of a stream is about to run: every wrapper has let it in. Left out where the wire has no word for that. */
  begun?(): void;
  /** The one reply of a call whose reply is no stream. Nothing follows. */
  reply(body: unknown): void;
  /** One item of a stream. A promise means: wait for it before the next one. */
  item(value: unknown): MaybePromise<void>;
  /** The stream is over, in order or with an error; or the call has failed. Nothing follows. */
  end(error?: OctavoError): void;
  /** The last word where another one threw: the error, with nothing beside it. */
  abort(error: OctavoError): void;
}
