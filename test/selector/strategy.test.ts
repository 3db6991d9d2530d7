import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import type { ServiceRecord } from '../../src/registry/registry.js';
import { CacheSelector } from '../../src/selector/cache.js';
import { byVersionRange, preferZone } from '../../src/selector/filter.js';
import { NamedSelector, named } from '../../src/selector/named.js';
import { compare, parseVersion } from '../../src/selector/semver.js';
import { StaticSelector, staticSelector } from '../../src/selector/static.js';
import { leastInFlight, weighted, type WeightedOptions } from '../../src/selector/strategy.js';
import { greeter, nodeOf, selecting } from '../support/selecting.js';

describe('weighted', () => {
  function drawn(weights: readonly (string | undefined)[], options?: WeightedOptions): number[] {
    const nodes = weights.map((weight, at) => nodeOf(String(at), weight === undefined ? {} : { weight }));
    const strategy = weighted(options);
    const counts = weights.map(() => 0);
    for (let n = 0; n < 4_000; n++) {
      const at = Number(strategy('greeter', nodes).id);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    return counts;
  }

  it('chooses as often as the weights say', () => {
    const [one = 0, two = 0, none, five = 0] = drawn(['1', '2', '0', '5']);
    assert.equal(none, 0);
    // Standard deviations are under 35.
    assert.ok(Math.abs(one - 500) < 175 && Math.abs(two - 1_000) < 175 && Math.abs(five - 2_500) < 175);
  });

  it('takes another weight where a node does not say one, or none', () => {
    for (const nonsense of [undefined, '', 'x', '-1', 'Infinity', 'NaN', '1e308']) {
      const [one = 0, other = 0] = drawn(['1', nonsense], { otherwise: 3 });
      assert.ok(Math.abs(one - 1_000) < 175 && Math.abs(other - 3_000) < 175, String(nonsense));
    }
  });

  it('chooses any where all weigh nothing, and the only one', () => {
    for (const count of drawn(['0', '0', '0'])) assert.ok(count > 1_000);
    assert.deepEqual(drawn(['7']), [4_000]);
    assert.deepEqual(drawn(['0']), [4_000]);
  });
});

describe('leastInFlight', () => {
  async function selector(ids: readonly string[]): Promise<CacheSelector> {
    const parts = selecting();
    await parts.registry.register(greeter(ids.map((id) => nodeOf(id))));
    return new CacheSelector({ strategy: leastInFlight() }, parts);
  }

  it('goes to who has the fewest calls under way', async () => {
    const all = await selector(['a', 'b', 'c']);
    const pick = async (): Promise<string> => (await all.select('greeter'))().id;
    const first = [await pick(), await pick(), await pick()];
    assert.deepEqual(first.toSorted(), ['a', 'b', 'c']);
    assert.deepEqual([await pick(), await pick(), await pick()].sort(), ['a', 'b', 'c']);
    for (const error of [undefined, new OctavoError('internal', 'no'), new OctavoError('cancelled', 'gone')])
      for (let n = 0; n < 5; n++) {
        all.mark('greeter', nodeOf('b'), error);
        assert.equal(await pick(), 'b');
      }
  });

  it('counts no probe', async () => {
    const all = await selector(['a', 'b']);
    (await all.select('greeter'))();
    const first = (await all.select('greeter'))().id;
    for (let n = 0; n < 9; n++)
      (await all.select('greeter', { probe: true, strategy: () => nodeOf(first) }))();
    all.mark('greeter', nodeOf(first));
    assert.equal((await all.select('greeter'))().id, first);
  });

  it('is not misled by what began before it was asked', async () => {
    const parts = selecting();
    await parts.registry.register(greeter([nodeOf('a'), nodeOf('b')]));
    const all = new CacheSelector({}, parts);
    const strategy = leastInFlight();
    for (let n = 0; n < 9; n++) (await all.select('greeter', { strategy: () => nodeOf('a') }))();
    const one = (await all.select('greeter', { strategy }))().id;
    const other = (await all.select('greeter', { strategy }))().id;
    assert.deepEqual([one, other].sort(), ['a', 'b']);
    for (let n = 0; n < 9; n++) all.mark('greeter', nodeOf('a'));
    assert.equal((await all.select('greeter', { strategy }))().id, 'a');
  });

  it('looks at 64 of many, and goes round', async () => {
    const ids = Array.from({ length: 1_000 }, (_, at) => `n${at}`);
    const all = await selector(ids);
    const seen = new Set<string>();
    for (let n = 0; n < 1_000; n++) seen.add((await all.select('greeter'))().id);
    assert.equal(seen.size, 1_000);
  });

  it('goes round where nobody counts', () => {
    const strategy = leastInFlight();
    const nodes = [nodeOf('a'), nodeOf('b')];
    const [one, two, three] = [1, 2, 3].map(() => strategy('greeter', nodes).id);
    assert.notEqual(one, two);
    assert.equal(one, three);
  });
});

describe('byVersionRange', () => {
  const of = (...versions: readonly string[]): ServiceRecord[] =>
    versions.map((version) => greeter([nodeOf('a')], version));
  const kept = (range: string, ...versions: readonly string[]): string[] =>
    byVersionRange(range)(of(...versions)).map(({ version }) => version);

  const all = [
    '0.1.0',
    '0.1.9',
    '0.2.0',
    '1.0.0',
    '1.2.3',
    '1.2.4',
    '1.10.0',
    '2.0.0',
    '2.1.0-rc.1',
    '10.0.0',
  ];
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['1.2.3', ['1.2.3']],
    ['=1.2.3', ['1.2.3']],
    ['^1.2.3', ['1.2.3', '1.2.4', '1.10.0']],
    ['^0.1.0', ['0.1.0', '0.1.9']],
    ['^0', ['0.1.0', '0.1.9', '0.2.0']],
    ['~1.2', ['1.2.3', '1.2.4']],
    ['~1', ['1.0.0', '1.2.3', '1.2.4', '1.10.0']],
    ['1.x', ['1.0.0', '1.2.3', '1.2.4', '1.10.0']],
    ['1.2.*', ['1.2.3', '1.2.4']],
    ['2', ['2.0.0']],
    ['>=1.10 <3', ['1.10.0', '2.0.0']],
    ['> 1.2', ['1.10.0', '2.0.0', '10.0.0']],
    ['<=1.2', ['0.1.0', '0.1.9', '0.2.0', '1.0.0', '1.2.3', '1.2.4']],
    ['1.2.4 - 2', ['1.2.4', '1.10.0', '2.0.0']],
    ['0.1.0 || ^10', ['0.1.0', '10.0.0']],
    ['>=2.1.0-rc.0', ['2.1.0-rc.1', '10.0.0']],
    ['', all.filter((version) => !version.includes('-'))],
    ['*', all.filter((version) => !version.includes('-'))],
    ['<0', []],
    ['>*', []],
  ];
  for (const [range, expected] of cases)
    it(`keeps by ${range === '' ? 'nothing' : range}`, () => assert.deepEqual(kept(range, ...all), expected));

  it('knows versions that are written short or with a v, and none that are no versions', () => {
    assert.deepEqual(kept('^1', '1', 'v1.2', '1.2.3+build.5', 'latest', '', '01.0.0', '1.2.3.4', '1.2-'), [
      '1',
      'v1.2',
      '1.2.3+build.5',
    ]);
  });

  it('refuses what is no range, as it is made', () => {
    for (const range of ['latest', '1.2.3.4', '>>1', '^', '1 - ', '-1', '1.2.3 foo', '9'.repeat(300)])
      assert.throws(
        () => byVersionRange(range),
        (error) =>
          error instanceof OctavoError && error.code === 'invalid_argument' && /no range/.test(error.message),
        range,
      );
  });

  it('orders versions as section 11 of semver.org does', () => {
    const ordered = [
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      '1.0.0',
      '2.0.0',
      '2.1.0',
      '2.1.1',
    ];
    const parsed = ordered.map((text) => parseVersion(text) ?? assert.fail(text));
    for (const [at, version] of parsed.entries())
      for (const [other, with_] of parsed.entries())
        assert.equal(Math.sign(compare(version, with_)), Math.sign(at - other));
  });
});

describe('preferZone', () => {
  const records = [
    greeter([nodeOf('a', { zone: 'x' }), nodeOf('b', { zone: 'y' })]),
    greeter([nodeOf('c', { zone: 'x' })], '2'),
  ];
  const ids = (found: readonly ServiceRecord[]): string[] =>
    found.flatMap(({ nodes }) => nodes.map(({ id }) => id));

  it('keeps the zone’s nodes where there are enough, else all', () => {
    assert.deepEqual(ids(preferZone('x')(records)), ['a', 'c']);
    assert.deepEqual(ids(preferZone('y')(records)), ['b']);
    assert.deepEqual(ids(preferZone('z')(records)), ['a', 'b', 'c']);
    assert.deepEqual(ids(preferZone('y', { least: 2 })(records)), ['a', 'b', 'c']);
    assert.deepEqual(ids(preferZone('x', { least: 2 })(records)), ['a', 'c']);
    assert.deepEqual(ids(preferZone('x', { key: 'rack' })(records)), ['a', 'b', 'c']);
  });
});

describe('the selectors that ask nobody', () => {
  // They need nothing of the container.
  const resolve = (): never => assert.fail('it asked for a dependency');

  it('named: a service is its own address, for ever', () => {
    const selector = named()(resolve);
    assert.ok(selector instanceof NamedSelector);
    const next = selector.select('greeter');
    selector.mark();
    selector.reset();
    for (let n = 0; n < 3; n++)
      assert.deepEqual(next(new Set(['greeter'])), { id: 'greeter', address: 'greeter', metadata: {} });
  });

  it('static: a name, a domain and a port', () => {
    const at = (selector: StaticSelector): string => selector.select('greeter')().address;
    assert.equal(at(new StaticSelector()), 'greeter:8080');
    assert.equal(at(new StaticSelector({ port: 9_000 })), 'greeter:9000');
    assert.equal(at(new StaticSelector({ domain: 'default.svc', port: 1 })), 'greeter.default.svc:1');
    assert.equal(new StaticSelector().select('greeter')().id, 'greeter');
    assert.ok(staticSelector()(resolve) instanceof StaticSelector);
  });
});
