import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { EMPTY } from '../../core/message.js';
import type { Exchange } from './exchange.js';
import type { HttpLimits } from './limits.js';

/** Takes the body of a request, or why there is none; once. */
export interface BodyTaker {
  took(body: Uint8Array): void;
  failed(reason: OctavoError): void;
}

/**
 * Reads the whole body of a request. Fails with `resource_exhausted` for one over the limit, of which no more is kept, and with
 * `deadline_exceeded` for one that does not end in time.
 *
 * Nothing is told where the caller has gone, which is learnt by {@link Exchange.onClose}.
 *
 * @param clock where there is a time to keep: a call whose own is shorter ends by that
 */
export function readBody(
  exchange: Exchange,
  { maxMessageBytes: maxBytes, timeoutMs }: HttpLimits,
  clock: Clock | undefined,
  taker: BodyTaker,
): void {
  const { request } = exchange;
  const announced = request.headers['content-length'];
  if (announced !== undefined && Number(announced) > maxBytes)
    return taker.failed(tooLong(`${announced} bytes`, maxBytes));
  let first: Uint8Array = EMPTY;
  let others: Uint8Array[] | undefined;
  let size = 0;
  let over = false;
  const fail = (error: OctavoError): void => {
    if (over) return;
    over = true;
    first = EMPTY;
    others = undefined;
    taker.failed(error);
  };
  const timer = clock?.after(timeoutMs, () => fail(tooLate(timeoutMs)), { background: true });
  if (timer !== undefined) request.on('close', () => timer.cancel());
  request.on('data', (chunk: Buffer) => {
    if (over) return;
    size += chunk.length;
    if (size > maxBytes) fail(tooLong('more', maxBytes));
    else if (first.length === 0) first = chunk;
    else (others ??= [first]).push(chunk);
  });
  request.on('end', () => {
    if (over) return;
    over = true;
    taker.took(others === undefined ? first : Buffer.concat(others, size));
  });
}

function tooLong(what: string, maxBytes: number): OctavoError {
  return new OctavoError(
    'resource_exhausted',
    `a request of ${what} came: the limit is ${maxBytes} bytes (maxMessageBytes)`,
    { executed: false },
  );
}

function tooLate(timeoutMs: number): OctavoError {
  return new OctavoError(
    'deadline_exceeded',
    `a request began and did not end within ${timeoutMs} ms (timeoutMs)`,
    { executed: false },
  );
}
