import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Registry } from '../../../src/registry/registry.js';
import type { TestLogger } from '../../../src/testing/test-logger.js';
import { eventually, failure, record, Told } from './registry-faults.js';

/** Nothing of this shows a secret, however deep one looks, but for what is private. */
export function hides(secret: string, ...shown: readonly unknown[]): void {
  for (const each of shown) assert.ok(!inspect(each, { depth: 12 }).includes(secret), inspect(each));
}

/** A start that is refused at once, for this reason. */
export async function refused(registry: Registry, code: string, words: RegExp): Promise<Error> {
  const begin = Date.now();
  const error = await failure(Promise.resolve(registry.start()));
  assert.ok(Date.now() - begin < 2_000, `${Date.now() - begin} ms`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return error;
}

/** Everything that a registry does, for whoever may do it. */
export async function works(registry: Registry, id: string): Promise<void> {
  await registry.start();
  const told = new Told(registry.watch({ service: 'greeter' }));
  await registry.register(record(id), { ttlMs: 10_000 });
  await told.until(`create ${id}`);
  await registry.register(record(id), { ttlMs: 10_000 });
  await eventually(registry, [id]);
  assert.deepEqual(await registry.listServices(), ['greeter']);
  await registry.deregister(record(id));
  await told.until(`delete ${id}`);
}

/** What a logger was told, and what an error and the options of a registry show. */
export function shownBy(registry: Registry, logger: TestLogger): readonly unknown[] {
  return [registry.options, registry, logger.records];
}
