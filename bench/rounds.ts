import { LOADS, type Contender, type Ends, type LoadName, type Sample } from './contender.js';
import type { Progress } from './progress.js';

export interface RoundsOptions {
  readonly rounds: number;
  /** For how long one round of `small` lasts; others last their share of it. */
  readonly ms: number;
  readonly profiles?: string | undefined;
}

/** What was measured of one contender: of each load as many samples as there were rounds. */
export interface Measured {
  readonly name: string;
  readonly about: string;
  readonly samples: Readonly<Partial<Record<LoadName, readonly Sample[]>>>;
}

interface Running {
  readonly contender: Contender;
  readonly ends: Ends;
  readonly samples: Partial<Record<LoadName, Sample[]>>;
}

/** Measures all of them in turn, round by round, as a machine's speed drifts: what is compared was measured within one round. */
export async function inRounds(
  contenders: readonly Contender[],
  { rounds, ms, profiles }: RoundsOptions,
  progress: Progress,
): Promise<readonly Measured[]> {
  const running: Running[] = [];
  try {
    for (const contender of contenders) {
      progress.at('starting', contender.name);
      running.push({ contender, ends: await contender.start({ profiles }), samples: {} });
    }
    for (const { contender, ends } of running) {
      progress.at('warming up', contender.name);
      for (const name of contender.loads)
        await ends.run({ ...LOADS[name], ms: Math.max(1_000, ms) * LOADS[name].share });
    }
    for (let round = 1; round <= rounds; round++)
      for (const { contender, ends, samples } of running) {
        progress.at(`round ${round} of ${rounds}`, contender.name);
        for (const name of contender.loads)
          (samples[name] ??= []).push(await ends.run({ ...LOADS[name], ms: ms * LOADS[name].share }));
      }
    return running.map(({ contender: { name }, ends: { about }, samples }) => ({ name, about, samples }));
  } finally {
    for (const { ends } of running) await ends.stop();
  }
}
