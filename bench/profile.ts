import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What of `--cpu-prof`'s format is read. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const MOST = 30;

/** The functions in which the processes that left their profiles in a folder spent most time, not counting what they called. */
export function profilesIn(folder: string): string {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.cpuprofile'))
    .sort()
    .map((file) => {
      // Node wrote it.
      const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
      return `${file}\n${selfTimes(profile)}`;
    })
    .join('\n\n');
}

function selfTimes({ nodes, samples, timeDeltas }: Profile): string {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  let all = 0;
  samples.forEach((id, at) => {
    const name = names.get(id) ?? '';
    const time = timeDeltas[at] ?? 0;
    if (name === '(idle)') return;
    times.set(name, (times.get(name) ?? 0) + time);
    all += time;
  });
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST)
    .map(([name, time]) => `${((time / all) * 100).toFixed(1).padStart(6)} %  ${name}`)
    .join('\n');
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  if (url === '') return functionName;
  const place = url.replace(/^.*\/(?:dist|node_modules)\//, '');
  return `${functionName || '(anonymous)'}  ${place}:${lineNumber + 1}`;
}
