import fc from 'fast-check';

import { canGenerate } from '../../src/schema/generated-source.js';
import { schemaOf } from '../../src/schema/schema.js';
import { damaged } from '../fuzz/damage.js';
import { instances } from '../fuzz/messages.js';
import { toHex } from './refused.js';
import { samples } from './sample-messages.js';

/** How this process encodes, and what it makes of messages and damaged bytes that a seed gives. */
export function report(seed: number): string[] {
  const told = samples.flatMap((type) => {
    const { encode, decode, toJson } = schemaOf<object>(type);
    const bytes = instances<object>(type).map((message) => encode(message));
    const outcome = (work: () => string): string => {
      try {
        return work();
      } catch (reason) {
        return String(reason);
      }
    };
    return [
      ...fc.sample(bytes, { seed, numRuns: 100 }).map(toHex),
      ...fc
        .sample(damaged(bytes, ['\u0007']), { seed, numRuns: 100 })
        .map((input) => outcome(() => JSON.stringify(toJson(decode(input))))),
    ];
  });
  return [canGenerate() ? 'generated' : 'closures', ...told];
}
