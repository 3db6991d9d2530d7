import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compare, parseRange, parseVersion, satisfies } from '../../../src/selector/semver.js';
import { damagedText } from '../damage.js';
import { target } from '../target.js';

const WORDS = ['-', '+', '.', '0', '-0', '.x', '*', 'v', '-a.b', '99999999999', ' ', '||', '- ', '^', '>='];
const number = fc.nat(20);
const tags = fc.constantFrom('', '', '-rc.1', '-alpha', '-0', '+build');
const version = fc.tuple(number, number, number, tags).map(([a, b, c, tag]) => `${a}.${b}.${c}${tag}`);
const one = parseVersion('1.2.3') ?? assert.fail();

/** Versions, as registries tell them. */
export const versions = target({
  name: 'versions',
  inputs: damagedText(version, WORDS),
  read: (text) => parseVersion(text),
  holds(parsed) {
    if (parsed === undefined) return;
    assert.equal(compare(parsed, parsed), 0);
    assert.equal(Math.sign(compare(parsed, one)), -Math.sign(compare(one, parsed)) + 0);
    const own = [parsed.numbers.join('.'), ...(parsed.tags.length > 0 ? [parsed.tags.join('.')] : [])].join(
      '-',
    );
    if (own.length <= 256) assert.ok(satisfies(parsed, parseRange(own)), own);
  },
});

/** Ranges of versions, as filters are given them. */
export const versionRanges = target({
  name: 'version-ranges',
  inputs: damagedText(
    fc
      .tuple(fc.constantFrom('', '^', '~', '>=', '<', '1 - '), version)
      .map(([operator, text]) => operator + text),
    WORDS,
  ),
  refuses: ['invalid_argument'],
  read: (text) => parseRange(text),
  holds(range) {
    for (const each of ['0.0.0', '1.2.3', '20.0.0-rc.1'])
      satisfies(parseVersion(each) ?? assert.fail(), range);
  },
});
