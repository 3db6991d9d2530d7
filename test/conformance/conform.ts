import type { Lifecycle, MaybePromise } from '../../src/core/lifecycle.js';

/**
 * The promises of one contract: sentences, and the checks that hold an implementation to them.
 *
 * A check gets a subject that was started, and `fresh`, which makes another one of the same kind, not started, that shares whatever backend
 * the subject has. Both are stopped afterwards.
 */
export type Suite<S> = Readonly<Record<string, (subject: S, fresh: () => Promise<S>) => MaybePromise<void>>>;

export interface ConformOptions<Sentence extends string = string> {
  /** Promises that this implementation does not keep, with the reason. Each must fail, so that a closed gap is noticed. */
  readonly lacks?: Readonly<Partial<Record<Sentence, string>>>;
}

/** What defines one test: `test` of node:test, `it` of most other runners. */
export type DefineTest = (name: string, run: () => Promise<void>) => unknown;

/** For how long a check that must fail is waited for, in milliseconds. */
const SILENCE_MS = 2_000;

/** Defines one test for each promise of a suite. `make` gives a new subject, not started, each time. */
export function conform<S extends object, T extends Suite<S>>(
  define: DefineTest,
  suite: T,
  make: () => MaybePromise<S>,
  options: ConformOptions<Extract<keyof T, string>> = {},
): void {
  const reasons: Readonly<Record<string, string | undefined>> = options.lacks ?? {};
  for (const [sentence, check] of Object.entries(suite)) {
    const reason = reasons[sentence];
    if (reason === undefined) define(sentence, () => run(check, make));
    else
      define(`does not keep: ${sentence} (${reason})`, async () => {
        // A promise that is not kept may be one that is waited for without end.
        const kept = run(check, make, silence()).then(
          () => true,
          () => false,
        );
        if (await kept)
          throw new Error(`"${sentence}" is listed as lacking, but holds: take it off the list`);
      });
  }
}

function silence(): Promise<never> {
  const silent = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('nothing happened')), SILENCE_MS);
  });
  // Nobody waits for it any longer where the check has failed before.
  silent.catch(() => {});
  return silent;
}

async function run<S extends object>(
  check: Suite<S>[string],
  make: () => MaybePromise<S>,
  atMost?: Promise<never>,
): Promise<void> {
  const made: S[] = [];
  // Whatever a subject does in the background does not keep the process up: a check that waits for it must.
  const alive = setInterval(() => {}, 1_000);
  const fresh = async (): Promise<S> => {
    const subject = await make();
    made.push(subject);
    return subject;
  };
  try {
    const subject = await fresh();
    await lifecycleOf(subject).start?.();
    const checked = check(subject, fresh);
    await (atMost === undefined ? checked : Promise.race([checked, atMost]));
  } finally {
    for (const subject of made.reverse()) await lifecycleOf(subject).stop?.();
    clearInterval(alive);
  }
}

/** A subject may have a life cycle, and need not. */
function lifecycleOf(subject: object): Lifecycle {
  return subject;
}
