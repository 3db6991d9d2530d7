import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StreamTable } from '../../src/transport/tcp/stream-table.js';
import type { Stream } from '../../src/transport/tcp/stream.js';

/** All that a table knows of a stream. */
function stream(id: number): Stream {
  const made: Pick<Stream, 'id' | 'behind'> = { id, behind: undefined };
  return made as Stream;
}

describe('the streams of a connection', () => {
  it('are found by their numbers, also where those fall together, until they are taken away', () => {
    const table = new StreamTable();
    const known = new Map<number, Stream>();
    let seed = 7;
    const random = (most: number): number => (seed = (seed * 48_271) % 2_147_483_647) % most;
    for (let step = 0; step < 20_000; step++) {
      // Many numbers are apart by a power of two.
      const id = 1 + random(40) * 2 ** random(12);
      const there = known.get(id);
      assert.equal(table.get(id), there);
      if (there === undefined) {
        const added = stream(id);
        known.set(id, added);
        table.add(added);
      } else {
        assert.equal(table.delete(there), true);
        assert.equal(table.delete(there), false);
        known.delete(id);
      }
      assert.equal(table.size, known.size);
    }
    assert.ok(known.size > 50);
    assert.deepEqual(
      [...table].map(({ id }) => id),
      [...known.keys()].sort((a, b) => a - b),
    );
  });

  it('are gone through as they were, whoever leaves meanwhile', () => {
    const table = new StreamTable();
    for (const id of [3, 259, 4]) table.add(stream(id));
    const seen: number[] = [];
    for (const each of table) {
      seen.push(each.id);
      for (const other of [...table]) table.delete(other);
    }
    assert.deepEqual(seen, [3, 4, 259]);
    assert.equal(table.size, 0);
  });
});
