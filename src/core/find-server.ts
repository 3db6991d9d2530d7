import type { Clock } from './clock.js';
import { OctavoError } from './error.js';

export interface Search {
  /** Who looks, as errors say it: `the consul registry`. */
  readonly who: string;
  readonly what: string;
  /** Without credentials. */
  readonly where: string;
  readonly atMostMs: number;
  readonly clock: Clock;
  /** Whether nobody wants it any more. */
  readonly stopped: () => boolean;
  readonly ask: () => Promise<void>;
}

/** How long after a failed attempt the next one is made, in milliseconds. */
const RETRY_MS = 250;

/** Asks until there is an answer, for so long: a server may be about to start. What is no `unavailable` is thrown at once. */
export async function findServer({ who, what, where, atMostMs, clock, stopped, ask }: Search): Promise<void> {
  const begin = clock.now();
  for (;;) {
    const failure = await ask().then(
      () => undefined,
      (reason: unknown) => OctavoError.from(reason),
    );
    if (stopped())
      throw new OctavoError('unavailable', `${who} was stopped while it looked for ${what} at ${where}`);
    if (failure === undefined) return;
    if (failure.code !== 'unavailable') throw failure;
    const ms = Math.round(clock.now() - begin);
    if (ms + RETRY_MS > atMostMs)
      throw new OctavoError(
        'unavailable',
        `${who} found no ${what} at ${where} within ${ms} ms: ${failure.message}: start one, or set addresses`,
        { cause: failure },
      );
    await clock.sleep(RETRY_MS);
  }
}
