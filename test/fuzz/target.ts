import { performance } from 'node:perf_hooks';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { OctavoError, type Code } from '../../src/core/error.js';

/** How long the reading of one input may take, in milliseconds. */
const LONGEST_MS = 50;
/** How much of an input and an error is shown, in characters. */
const LONGEST_SHOWN = 3_000;

/** Something that reads what a peer sends, and what must hold whatever that is. */
export interface Subject<Input, Output> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<Input>;
  /** What is tried, and timed. */
  readonly read: (input: Input) => Output;
  /** The codes of the errors that it may throw; without any it never throws. */
  readonly refuses?: readonly Code[];
  /** Whether it is not nothing that was read. @defaultValue it is not `undefined` */
  readonly found?: (output: Output) => boolean;
  /** Throws where something about an input that was read does not hold. */
  readonly holds?: (output: Output, input: Input) => void;
}

/** A subject ready to be tried, whatever its inputs are. */
export interface Target {
  readonly name: string;
  /** Tries some inputs; the same seed gives the same ones. */
  readonly run: (seed: number, inputs: number) => Tried;
}

/** What came of some inputs. */
export interface Tried {
  readonly inputs: number;
  /** How many of them were read, not refused. */
  readonly read: number;
  readonly slowestMs: number;
  /** What was found, with the input that shows it. */
  readonly failure: string | undefined;
}

export function target<Input, Output>(subject: Subject<Input, Output>): Target {
  const { found = (output) => output !== undefined } = subject;
  return {
    name: subject.name,
    run(seed, inputs) {
      let read = 0;
      let slowestMs = 0;
      const property = fc.property(subject.inputs, (input) => {
        const begin = performance.now();
        const outcome = attempt(subject, input);
        let ms = performance.now() - begin;
        if (ms > LONGEST_MS) ms = quickest(subject, input);
        slowestMs = Math.max(slowestMs, ms);
        if (ms > LONGEST_MS) throw new Error(`reading took ${ms.toFixed(1)} ms, over ${LONGEST_MS}`);
        if (outcome === undefined) return;
        if (found(outcome.output)) read++;
        subject.holds?.(outcome.output, input);
      });
      const details = fc.check(property, { seed, numRuns: inputs });
      return { inputs, read, slowestMs, failure: details.failed ? told(subject.name, details) : undefined };
    },
  };
}

function told(
  name: string,
  {
    counterexample,
    errorInstance,
    seed,
    numShrinks,
  }: Pick<fc.RunDetails<unknown>, 'counterexample' | 'errorInstance' | 'seed' | 'numShrinks'>,
): string {
  const shown = fc.stringify(counterexample).slice(0, LONGEST_SHOWN);
  const why = inspect(errorInstance).slice(0, LONGEST_SHOWN);
  return `${name} failed (seed ${seed}, ${numShrinks} times shrunk) for ${shown}\n${why}`;
}

/** What was read, or `undefined` where it was refused as it may be. */
function attempt<Input, Output>(
  { read, refuses = [] }: Subject<Input, Output>,
  input: Input,
): { output: Output } | undefined {
  try {
    return { output: read(input) };
  } catch (reason) {
    if (reason instanceof OctavoError && refuses.includes(reason.code)) return undefined;
    throw new Error('it threw what it must not throw', { cause: reason });
  }
}

/** The time of the processor that an input takes when nothing else (the collector, another process) is in the way. */
function quickest<Input, Output>(subject: Subject<Input, Output>, input: Input): number {
  let least = Infinity;
  for (let n = 0; n < 3; n++) {
    const begin = process.cpuUsage();
    attempt(subject, input);
    const { user, system } = process.cpuUsage(begin);
    least = Math.min(least, (user + system) / 1_000);
  }
  return least;
}
