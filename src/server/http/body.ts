import type { Clock } from '../../core/clock.js';
import type { Deadlines } from '../../core/deadlines.js';
import { OctavoError } from '../../core/error.js';
import { EMPTY } from '../../core/message.js';
import type { Exchange } from './exchange.js';
import type { HttpLimits } from './limits.js';

/**
 * The whole body of a request. Rejects with `resource_exhausted` for one over the limit, of which no more is kept, and with
 * `deadline_exceeded` for one that does not end in time.
 *
 * It may never settle where the caller has gone, which is learnt by {@link Exchange.onClose}.
 */
export function readBody(
  exchange: Exchange,
  { maxMessageBytes: maxBytes, timeoutMs }: HttpLimits,
  deadlines: Deadlines,
  clock: Clock,
): Promise<Uint8Array> {
  const { request } = exchange;
  return new Promise((resolve, reject) => {
    const announced = Number(exchange.header('content-length') ?? 0);
    if (announced > maxBytes) return reject(tooLong(`${announced} bytes`, maxBytes));
    let first: Uint8Array = EMPTY;
    let others: Uint8Array[] | undefined;
    let size = 0;
    const late = { expire: () => reject(tooLate(timeoutMs)) };
    const expiry = timeoutMs === 0 ? undefined : deadlines.add(late, clock.now() + timeoutMs, timeoutMs);
    request.on('data', (chunk: Buffer) => {
      if (size > maxBytes) return;
      size += chunk.length;
      if (size > maxBytes) {
        others = undefined;
        reject(tooLong('more', maxBytes));
      } else if (first.length === 0) first = chunk;
      else (others ??= [first]).push(chunk);
    });
    request.once('close', () => {
      expiry?.leave();
      others = undefined;
    });
    request.once('end', () => {
      expiry?.leave();
      if (size <= maxBytes) resolve(others === undefined ? first : Buffer.concat(others, size));
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
