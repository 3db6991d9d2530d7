import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Turns } from '../../src/core/turns.js';

describe('Turns', () => {
  it('lets what concerns one key happen one after the other, also after a failure, and others meanwhile', async () => {
    const turns = new Turns();
    const done: string[] = [];
    const run =
      (name: string, fails = false) =>
      async (): Promise<string> => {
        done.push(`${name} begins`);
        await new Promise((resolve) => setImmediate(resolve));
        done.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      };
    const taken = [
      turns.take('a', run('first', true)),
      turns.take('a', run('second')),
      turns.take('b', run('other')),
      turns.take('a', run('third')),
    ];
    const ends = await Promise.allSettled(taken);
    assert.deepEqual(
      ends.map((end) => (end.status === 'fulfilled' ? end.value : String(end.reason))),
      ['Error: first', 'second', 'other', 'third'],
    );
    const ofA = done.filter((each) => !each.startsWith('other'));
    assert.deepEqual(
      ofA,
      ['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
    assert.equal(done[1], 'other begins');
  });
});
