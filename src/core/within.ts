import type { Clock } from './clock.js';

/**
 * Waits for something, but not for ever.
 *
 * @param late gives what it rejects with after `ms` milliseconds; what comes of the thing afterwards is nobody's
 */
export async function within<T>(
  ms: number,
  clock: Clock,
  something: Promise<T>,
  late: () => Error,
): Promise<T> {
  something.catch(() => {});
  let stopWaiting = (): void => {};
  const expired = new Promise<never>((_, reject) => {
    const timer = clock.after(ms, () => reject(late()));
    stopWaiting = () => timer.cancel();
  });
  try {
    return await Promise.race([something, expired]);
  } finally {
    stopWaiting();
  }
}
