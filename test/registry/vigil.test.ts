import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Turns } from '../../src/core/turns.js';
import { Vigil } from '../../src/registry/vigil.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

/** A backend that loses its memory when the test says so. */
class Bench {
  readonly clock = new VirtualClock();
  readonly turns = new Turns();
  readonly renewed: string[] = [];
  looked: string[] = [];
  lose: (reason?: Error) => void = () => {};
  failing = false;
  readonly vigil = new Vigil({
    clock: this.clock,
    turns: this.turns,
    gone: (key, signal) => {
      this.looked.push(key);
      return new Promise<void>((resolve, reject) => {
        this.lose = (reason) => (reason === undefined ? resolve() : reject(reason));
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
  });

  keep(key: string, ttlMs?: number, name = key): void {
    this.vigil.keep(key, ttlMs, async () => {
      this.renewed.push(name);
      if (this.failing) throw new Error('not there');
    });
  }

  async pass(ms: number): Promise<string> {
    await this.clock.advance(ms);
    return this.renewed.splice(0).join();
  }
}

describe('nodes that were registered from here', () => {
  it('are all registered again where one of them was lost, or nobody can tell', async () => {
    const bench = new Bench();
    bench.keep('a', 30_000);
    bench.keep('b');
    assert.equal(await bench.pass(1_000), '');
    bench.lose();
    assert.equal(await bench.pass(200), 'a,b');
    bench.lose(new Error('broken'));
    assert.equal(await bench.pass(200), 'a,b');
    assert.deepEqual(bench.looked, ['a', 'a', 'a']);
    bench.vigil.end();
  });

  it('are tried again until it works, less and less often', async () => {
    const bench = new Bench();
    bench.failing = true;
    bench.keep('a');
    let tried = 0;
    for (let n = 0; n < 200; n++) {
      bench.lose(new Error('broken'));
      tried += (await bench.pass(100)) === '' ? 0 : 1;
    }
    assert.ok(tried >= 10 && tried <= 30, `${tried} times in 20 s`);
    bench.failing = false;
    bench.lose();
    assert.equal(await bench.pass(2_000), 'a');
    bench.lose();
    assert.equal(await bench.pass(100), 'a');
    bench.vigil.end();
  });

  it('are left alone where they were taken away, or their time has run out', async () => {
    const bench = new Bench();
    bench.keep('a', 30_000);
    bench.keep('b', 30_000);
    bench.keep('c', 60_000);
    bench.vigil.drop('a');
    await bench.pass(40_000);
    assert.deepEqual(bench.looked, ['a', 'b']);
    bench.lose();
    assert.equal(await bench.pass(200), 'c');
    bench.vigil.drop('c');
    await bench.pass(200);
    bench.lose();
    assert.equal(await bench.pass(10_000), '');
    bench.keep('d');
    assert.deepEqual(bench.looked, ['a', 'b', 'c', 'd']);
    bench.vigil.end();
  });

  it('are what they became meanwhile', async () => {
    const bench = new Bench();
    bench.keep('a', undefined, 'old');
    let done = (): void => {};
    const changing = bench.turns.take('a', async () => {
      await new Promise<void>((resolve) => (done = resolve));
      bench.keep('a', undefined, 'new');
    });
    bench.lose();
    assert.equal(await bench.pass(1_000), '');
    done();
    await changing;
    assert.equal(await bench.pass(0), 'new');
    bench.vigil.end();
  });

  it('are looked at no more after the end', async () => {
    const bench = new Bench();
    bench.keep('a');
    bench.vigil.end();
    assert.equal(await bench.pass(10_000), '');
    assert.equal(bench.clock.pending, 0);
  });
});
