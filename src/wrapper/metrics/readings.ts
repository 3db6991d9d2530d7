import type { Assembled, Reading, ReadingName } from '../wrapper.js';
import type { Gathered, Sample } from './gathered.js';

const HELP: Readonly<Record<ReadingName, string>> = {
  breaker_state: 'The state of breakers: 0 closed, 1 half-open, 2 open.',
  bulkhead_running: 'Calls that have a place in a bulkhead.',
  bulkhead_waiting: 'Calls that wait for one.',
  bulkhead_refused_total: 'Calls that bulkheads refused.',
  cache_entries: 'Replies that are kept.',
  cache_hits_total: 'Replies that were given again.',
  cache_misses_total: 'Replies that were not there.',
  ratelimit_names: 'Who is known to the limits of this process.',
  ratelimit_refused_total: 'Calls that were too many.',
  ratelimit_failed_total: 'How often a shared limit was not known.',
  shed_limit: 'How many calls may be in hand.',
  shed_running: 'How many are.',
  shed_refused_total: 'Calls that were shed.',
};

/** How many names of one kind are shown, and how much of each. */
const MOST_NAMES = 1_000;
const LONGEST_NAME = 256;

/** Shows what the wrappers of the apps that run say of their state. */
export function addReadings(gathered: Gathered, apps: Iterable<Assembled>): void {
  for (const [what, help] of Object.entries(HELP))
    gathered.add({ name: what, help, labelNames: ['name'], read: () => samples(what, apps) });
}

function samples(what: string, apps: Iterable<Assembled>): readonly Sample[] {
  const values = new Map<string, number>();
  for (const reading of readings(apps)) {
    if (reading.what !== what) continue;
    const { value } = reading;
    const name = reading.name.slice(0, LONGEST_NAME);
    const before = values.get(name);
    if (before === undefined && values.size >= MOST_NAMES) continue;
    // Of several breakers of one name the one that is open furthest is worth knowing; counts add up.
    values.set(name, what === 'breaker_state' ? Math.max(before ?? 0, value) : (before ?? 0) + value);
  }
  return [...values].map(([name, value]) => [{ name }, value]);
}

function* readings(apps: Iterable<Assembled>): Iterable<Reading> {
  const wrappers = new Set([...apps].flatMap((app) => app.wrappers));
  for (const wrapper of wrappers) yield* wrapper.readings?.() ?? [];
}
