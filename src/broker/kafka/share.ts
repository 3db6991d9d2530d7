import type { GroupOptions, GroupPartitionsAssigner } from '@platformatic/kafka';

/** What a member had when it joined, and since when: the number grows with each change in the group. */
export interface Share {
  readonly generation: number;
  readonly partitions: readonly number[];
}

/**
 * How the members of a group share the partitions of its topic: evenly, and each keeps what it has as far as that goes.
 *
 * A partition that changes hands brings again whatever is dealt with and not committed, so that few should. It goes by the name of `range`,
 * the way of sharing that Go's and Java's clients have in common, and they may be members too.
 *
 * @param share what this member has
 */
export function sharing(share: () => Share): Pick<GroupOptions, 'protocols' | 'partitionAssigner'> {
  const protocol = {
    name: 'range',
    // Without anything behind the text, as the library writes it.
    version: 0,
    // Asked for each time that the member joins.
    get metadata(): string {
      return JSON.stringify(share());
    },
  };
  return { protocols: [protocol], partitionAssigner: assign };
}

const assign: GroupPartitionsAssigner = (_, members, __, metadata) => {
  const assignments = [...members.keys()].map((memberId) => ({
    memberId,
    assignments: new Map<string, { topic: string; partitions: number[] }>(),
  }));
  // Those of all members: what the library gives apart are one's own.
  for (const topic of metadata.topics.keys()) {
    const takers = assignments.filter(({ memberId }) => members.get(memberId)?.topics?.includes(topic));
    const shares = takers.map(({ memberId }) => readShare(members.get(memberId)?.metadata));
    const parts = divide(metadata.topics.get(topic)?.partitionsCount ?? 0, shares);
    takers.forEach((taker, at) => taker.assignments.set(topic, { topic, partitions: parts[at] ?? [] }));
  }
  return assignments;
};

/** Divides so many partitions among members that have had these. */
export function divide(partitions: number, shares: readonly Share[]): number[][] {
  if (shares.length === 0) return [];
  const least = Math.floor(partitions / shares.length);
  /** How many may have one more than the least. */
  let more = partitions % shares.length;
  const parts = shares.map((): number[] => []);
  const free = new Set(Array.from({ length: partitions }, (_, at) => at));
  const latest = shares.map((share, at) => ({ share, at }));
  latest.sort((a, b) => b.share.generation - a.share.generation);
  for (const { share, at } of latest)
    for (const partition of share.partitions) {
      const part = parts[at] ?? [];
      if (!free.has(partition) || part.length > least || (part.length === least && more === 0)) continue;
      if (part.length === least) more--;
      free.delete(partition);
      part.push(partition);
    }
  for (const partition of free) {
    const [smallest] = [...parts].sort((a, b) => a.length - b.length);
    smallest?.push(partition);
  }
  return parts;
}

/** What another member says may be anything. */
function readShare(metadata: Buffer | string | undefined | null): Share {
  const nothing = { generation: -1, partitions: [] };
  try {
    const value: unknown = JSON.parse(String(metadata));
    if (typeof value !== 'object' || value === null) return nothing;
    const { generation, partitions } = value as { generation?: unknown; partitions?: unknown };
    if (typeof generation !== 'number' || !Array.isArray(partitions)) return nothing;
    return { generation, partitions: partitions.filter((each) => typeof each === 'number') };
  } catch {
    return nothing;
  }
}
