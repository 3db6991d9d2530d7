import type { ProbeClient } from '../conformance/probe.js';

/** What keeps the process up, by kind. */
export function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** The same as before, when whatever is closing has closed. */
export async function back(before: Record<string, number>): Promise<Record<string, number>> {
  for (let turn = 0; turn < 1_000; turn++) {
    const now = resources();
    if (Object.entries(now).every(([kind, count]) => count <= (before[kind] ?? 0))) return before;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return resources();
}

/** The n-th of calls that end in every way there is. */
export async function mixed(probe: ProbeClient, n: number): Promise<void> {
  switch (n % 8) {
    case 0:
      return void (await probe.fail({ text: 'thing' }).catch(() => {}));
    case 1: {
      const abort = new AbortController();
      const call = probe.wait({}, { signal: abort.signal });
      setImmediate(() => abort.abort());
      return void (await call.catch(() => {}));
    }
    case 2:
      for await (const _ of probe.count({ text: 'wait', count: 3 })) break;
      return;
    case 3:
      for await (const _ of probe.chat([{ text: 'a' }, { text: 'b' }]));
      return;
    case 4:
      return void (await probe.wait({}, { timeoutMs: 5 }).catch(() => {}));
    case 5:
      return void (await probe.fail({ text: 'string' }).catch(() => {}));
    default:
      return void (await probe.echo({ count: n }));
  }
}
