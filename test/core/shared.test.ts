import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Shared, type Opening } from '../../src/core/shared.js';

/** Something that is opened and closed, and says so. */
class Door {
  readonly said: string[] = [];
  #release = (): void => {};
  readonly #gate: Promise<void>;

  constructor(open = true) {
    this.#gate = open ? Promise.resolve() : new Promise((resolve) => (this.#release = resolve));
  }

  go(): void {
    this.#release();
  }

  readonly opening: Opening<Door> = {
    open: async (signal) => {
      this.said.push('opening');
      signal.addEventListener('abort', () => this.said.push('unwanted'));
      await this.#gate;
      return this;
    },
    close: async () => void this.said.push('closed'),
  };
}

describe('what is shared', () => {
  it('is opened once for all with the same options, and closed when the last lets go', async () => {
    const shared = new Shared<Door>();
    const door = new Door();
    const leases = [1, 2, 3].map(() => shared.lease(['a', { b: undefined }], door.opening));
    for (const { ready } of leases) assert.equal(await ready, door);
    for (const lease of leases.slice(1)) await lease.release();
    await leases[2]?.release();
    assert.deepEqual(door.said, ['opening']);
    await leases[0]?.release();
    assert.deepEqual(door.said, ['opening', 'unwanted', 'closed']);
    assert.equal(shared.size, 0);
  });

  it('is another thing under other options, and after it was closed', async () => {
    const shared = new Shared<Door>();
    const [one, two, three] = [new Door(), new Door(), new Door()];
    const first = shared.lease('a', one.opening);
    const second = shared.lease('b', two.opening);
    assert.equal(await second.ready, two);
    await first.release();
    assert.equal(await shared.lease('a', three.opening).ready, three);
    assert.deepEqual(two.said, ['opening']);
  });

  it('is closed when it opens after everybody has left', async () => {
    const shared = new Shared<Door>();
    const door = new Door(false);
    const lease = shared.lease('a', door.opening);
    const released = lease.release();
    assert.deepEqual(door.said, ['opening', 'unwanted']);
    door.go();
    await released;
    assert.deepEqual(door.said, ['opening', 'unwanted', 'closed']);
  });

  it('fails for all who wait for it, and is tried again by the next', async () => {
    const shared = new Shared<Door>();
    const failing = { open: () => Promise.reject(new Error('no')), close: () => Promise.resolve() };
    const leases = [shared.lease('a', failing), shared.lease('a', failing)];
    for (const { ready } of leases) await assert.rejects(ready, /no/);
    const door = new Door();
    assert.equal(await shared.lease('a', door.opening).ready, door);
    for (const lease of leases) await lease.release();
    assert.deepEqual(door.said, ['opening']);
  });
});
