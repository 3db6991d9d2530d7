import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise } from '../../core/lifecycle.js';
import { untilEnd } from '../ending.js';
import type { Call, Next, Place, Reply, Wrapper } from '../wrapper.js';
import { checkToken, Tokens, type JwtClientOptions } from './tokens.js';

/** What a wrapper of this kind put on a call, and whether it was replaced once. */
interface Attached {
  value: string;
  mended: boolean;
}

/** By the call's context. Of several such wrappers around one call the innermost is nearest to what it is for. */
const attached = new WeakMap<Context, Attached>();

/**
 * Sends a token of this service's own with calls (`authorization: Bearer ...`). One that the call was given, or that the client's `forward`
 * names, stays; else the one of a call that is being handled is never sent on.
 *
 * A call that is refused as `unauthenticated` is sent again with a new token, once, by the client's one loop and within its budget, where it
 * was not executed or is idempotent. Stands around calls, or around each attempt, which then has a token that is good now.
 */
export function jwtClient(options: JwtClientOptions): Wrapper {
  const { token } = options;
  if (typeof token !== 'function') checkToken(token);
  const tokens = new Tokens(options);

  /** Puts a new token in the place of one that was refused. Once for each call. */
  const replace = async ({ code }: OctavoError, call: Call, mine: Attached): Promise<boolean> => {
    if (code !== 'unauthenticated' || mine.mended) return false;
    mine.mended = true;
    const fresh = await tokens.instead(mine.value.slice(BEARER.length), call.context);
    if (fresh === undefined) return false;
    put(fresh, call, mine);
    return true;
  };

  const send = (call: Call, next: Next, value: string): Promise<Reply> => {
    const { context, metadata } = call;
    const ours = attached.get(context);
    // It was given meanwhile, by a wrapper inside; or before, by the caller.
    if (metadata.has('authorization') && metadata.get('authorization') !== ours?.value) return next(call);
    const mine: Attached = ours ?? { value: '', mended: false };
    attached.set(context, mine);
    put(value, call, mine);
    call.tries = {
      ...call.tries,
      mend: async (error) =>
        (await replace(error, call, mine)) && (error.executed === false || call.idempotent),
    };
    if (call.kind === 'unary') return next(call);
    let opened = false;
    const open: Next = async (it) => {
      const reply = await next(it);
      opened = true;
      return reply;
    };
    // An open stream is not opened again; the next one has another token.
    return untilEnd(call, open, {
      ended: (error) => void (opened && error && replace(error, call, mine)),
    });
  };

  const wrapper: Wrapper = (call, next) => {
    if (call.side === 'server')
      return Promise.reject(new OctavoError('failed_precondition', `${call.endpoint}: ${HANDLER}`));
    const value = tokens.get(call.context);
    return isPromise(value) ? value.then((it) => send(call, next, it)) : send(call, next, value);
  };
  return Object.assign(wrapper, { unfit });
}

const BEARER = 'Bearer ';

function put(token: string, { metadata }: Call, mine: Attached): void {
  mine.value = `${BEARER}${token}`;
  metadata.set('authorization', mine.value);
}

const HANDLER = 'jwtClient sends a token with calls: put it on a client, and jwt() on a server';

function unfit({ around }: Place): string | undefined {
  return around === 'handler' || around === 'subscriber' ? HANDLER : undefined;
}
