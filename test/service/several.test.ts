import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Provider } from '../../src/core/provider.js';
import { memory } from '../../src/registry/memory.js';
import { MultiRegistry } from '../../src/registry/multi.js';
import { Registry } from '../../src/registry/registry.js';
import { createService } from '../../src/service/run.js';
import { several, type RegistryLoader } from '../../src/service/several.js';
import { parts } from '../support/parts.js';

/** Registries that note how they were asked for. */
function noting(): { known: Record<string, RegistryLoader>; asked: string[] } {
  const asked: string[] = [];
  const loader =
    (name: string): RegistryLoader =>
    async (addresses) => {
      asked.push(`${name} ${addresses?.join() ?? 'by default'}`);
      return memory();
    };
  return { known: { first: loader('first'), second: loader('second'), multi: loader('multi') }, asked };
}

function made(provider: Provider<Registry>): Registry {
  const { clock, logger } = parts();
  return provider((token) => (token.name === 'Clock' ? clock : logger) as never);
}

describe('several registries by name', () => {
  it('are those that are named, each once, at the addresses that it is given', async () => {
    const { known, asked } = noting();
    const registry = made(await several(known, ['first=a:1', 'second', 'first=[::1]:2']));
    assert.ok(registry instanceof MultiRegistry);
    assert.deepEqual(asked, ['first a:1,[::1]:2', 'second by default']);
  });

  it('are none that is not known, and not several again', async () => {
    const { known } = noting();
    for (const members of [[], ['third'], ['multi'], ['=a:1'], ['toString']])
      await assert.rejects(several(known, members), { code: 'failed_precondition' });
  });

  it('are chosen by MICRO_REGISTRY=multi', async () => {
    const env = { MICRO_REGISTRY: 'multi', MICRO_REGISTRY_ADDRESS: 'memory' };
    const service = createService({ name: 'caller', env });
    await assert.rejects(createService({ name: 'caller', env: { MICRO_REGISTRY: 'multi' } }).start(), {
      code: 'failed_precondition',
    });
    await service.start();
    assert.equal(service.resolve(Registry).name, 'multi');
    await service.stop();
  });
});
