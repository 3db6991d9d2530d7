import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import { EMPTY } from '../../core/message.js';
import type { Exchange } from './exchange.js';
import type { HttpLimits } from './limits.js';

/**
 * Reads the whole body of a request, and gives what is made of it. Rejects with `resource_exhausted` for one over the limit, of which no
 * more is kept, and with `deadline_exceeded` for one that does not end in time.
 *
 * It never settles where the caller has gone, which is learnt by {@link Exchange.onClose}.
 *
 * @param clock where there is a time to keep: a call whose own is shorter ends by that
 */
export function readBody<T>(
  exchange: Exchange,
  { maxMessageBytes: maxBytes, timeoutMs }: HttpLimits,
  clock: Clock | undefined,
  make: (body: Uint8Array) => MaybePromise<T>,
): Promise<T> {
  const { request } = exchange;
  return new Promise((resolve, reject) => {
    const announced = request.headers['content-length'];
    if (announced !== undefined && Number(announced) > maxBytes)
      return reject(tooLong(`${announced} bytes`, maxBytes));
    let first: Uint8Array = EMPTY;
    let others: Uint8Array[] | undefined;
    let size = 0;
    const late = (): void => reject(tooLate(timeoutMs));
    const timer = clock?.after(timeoutMs, late, { background: true });
    if (timer !== undefined) request.on('close', () => timer.cancel());
    request.on('data', (chunk: Buffer) => {
      if (size > maxBytes) return;
      size += chunk.length;
      if (size > maxBytes) {
        others = undefined;
        reject(tooLong('more', maxBytes));
      } else if (first.length === 0) first = chunk;
      else (others ??= [first]).push(chunk);
    });
    request.on('end', () => {
      if (size > maxBytes) return;
      try {
        resolve(make(others === undefined ? first : Buffer.concat(others, size)));
      } catch (reason) {
        reject(OctavoError.from(reason));
      }
    });
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
