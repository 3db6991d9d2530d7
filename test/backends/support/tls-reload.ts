import assert from 'node:assert/strict';
import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Lifecycle } from '../../../src/core/lifecycle.js';
import type { TlsOptions } from '../../../src/core/tls.js';
import { Authority, type Pair } from '../../support/certificates.js';
import { TurningRelay } from '../../support/turning-relay.js';

export interface ReloadBench<T extends Lifecycle> {
  readonly start: (tls: Pair) => Promise<{ readonly address: string; stop(): Promise<void> }>;
  readonly make: (address: string, tls: Omit<TlsOptions, 'clientAuth'>) => T;
  /** Does something that takes the server's word. Rejects while it is not reached. */
  readonly works: (made: T) => Promise<void>;
}

/** For how long whoever was cut off may take to come back, in milliseconds. */
const PATIENCE_MS = 20_000;
const AGAIN_MS = 50;

async function again(run: () => Promise<void>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (;;)
    try {
      return await run();
    } catch (error) {
      if (Date.now() > end) throw error;
      await pause(AGAIN_MS);
    }
}

/** What dials a server of its own kind goes over to another authority when the file of it does, without a new start. */
export function reloads<T extends Lifecycle>({ start, make, works }: ReloadBench<T>): void {
  it('goes over to another authority as the file of it does, when it is cut off', async () => {
    const [now, next] = [await Authority.make('one authority'), await Authority.make('the next one')];
    const [one, two] = await Promise.all(
      [now, next].map(async (authority) => start(await authority.issue('server', { san: 'IP:127.0.0.1' }))),
    );
    assert.ok(one && two);
    const ca = join(now.folder, 'in-use.pem');
    await copyFile(now.ca, ca);
    await using relay = await TurningRelay.before(one.address);
    const made = make(relay.address, { ca, reload: { everyMs: 0 } });
    try {
      // Some servers open their port before they answer.
      await again(async () => made.start?.());
      await again(() => works(made));
      await copyFile(next.ca, `${ca}.new`);
      await rename(`${ca}.new`, ca);
      relay.turn(two.address);
      await again(() => works(made));
    } finally {
      await made.stop?.();
      await Promise.all([one.stop(), two.stop()]);
    }
  });
}
