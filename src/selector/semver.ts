import { invalidArgument } from '../core/error.js';

/** A version as semver.org has it; what is behind a plus sign does not count. */
export interface SemVer {
  /** Major, minor and patch. */
  readonly numbers: readonly [number, number, number];
  /** What is behind the dash, between dots. */
  readonly tags: readonly string[];
}

/** One condition: `>= 1.2.0`. */
interface Bound {
  readonly holds: (order: number) => boolean;
  readonly version: SemVer;
}

/** A range, ready to be asked: any of these, of which all hold. */
export type SemVerRange = readonly (readonly Bound[])[];

const NUMBER = '0|[1-9]\\d{0,8}';
const TAGS = '(?:-([0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?(?:\\+[0-9A-Za-z.-]+)?';
const VERSION = new RegExp(`^v?(${NUMBER})(?:\\.(${NUMBER}))?(?:\\.(${NUMBER}))?${TAGS}$`);
const PARTIAL = new RegExp(`^v?(${NUMBER}|[xX*])(?:\\.(${NUMBER}|[xX*]))?(?:\\.(${NUMBER}|[xX*]))?${TAGS}$`);
/** Longer ones are neither. */
const LONGEST = 256;

/** A version; `undefined` for text that is none. What is left out at its end is 0: `2` is `2.0.0`. */
export function parseVersion(text: string): SemVer | undefined {
  const match = text.length > LONGEST ? null : VERSION.exec(text.trim());
  if (match === null) return undefined;
  const [, major = '0', minor = '0', patch = '0', tags] = match;
  return { numbers: [Number(major), Number(minor), Number(patch)], tags: tags?.split('.') ?? [] };
}

/**
 * A range as npm writes it: `1.2.3`, `^1.2`, `~1.2`, `1.x`, `*`, `>=1 <3`, `1.2 - 2.0`, `1.x || >=2.5`.
 *
 * @throws `invalid_argument` for text that is none
 */
export function parseRange(text: string): SemVerRange {
  if (text.length > LONGEST) throw noRange(text);
  return text.split('||').map((part) => {
    const hyphen = /^\s*(\S+)\s+-\s+(\S+)\s*$/.exec(part);
    if (hyphen !== null) {
      const [, from = '', to = ''] = hyphen;
      return [...boundsOf('>=', from, text), ...boundsOf('<=', to, text)];
    }
    const terms = part.trim().replaceAll(/([<>=^~])\s+/g, '$1');
    return (terms === '' ? ['*'] : terms.split(/\s+/)).flatMap((term) => {
      const [, operator = '', version = ''] = /^([<>]=?|=|\^|~)?(.*)$/.exec(term) ?? [];
      return boundsOf(operator, version, text);
    });
  });
}

/** Whether a version is in a range. One with tags only where the range names one of the same numbers with tags, as for npm. */
export function satisfies(version: SemVer, range: SemVerRange): boolean {
  return range.some(
    (bounds) =>
      bounds.every(({ holds, version: bound }) => holds(compare(version, bound))) &&
      (version.tags.length === 0 ||
        bounds.some(({ version: { numbers, tags } }) => tags.length > 0 && same(numbers, version.numbers))),
  );
}

/** Negative where `a` comes before `b`, by section 11 of the specification. */
export function compare(a: SemVer, b: SemVer): number {
  for (const [at, number] of a.numbers.entries()) {
    const order = number - (b.numbers[at] ?? 0);
    if (order !== 0) return order;
  }
  // A version without tags comes after those with.
  if (a.tags.length === 0 || b.tags.length === 0) return b.tags.length - a.tags.length;
  for (const [at, tag] of a.tags.entries()) {
    const other = b.tags[at];
    if (other === undefined) return 1;
    const order = compareTags(tag, other);
    if (order !== 0) return order;
  }
  return a.tags.length - b.tags.length;
}

function compareTags(a: string, b: string): number {
  const [aIsNumber, bIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (aIsNumber && bIsNumber) return Number(a) - Number(b);
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

/** What an operator before a version means, whose end may be left open. */
function boundsOf(operator: string, text: string, range: string): readonly Bound[] {
  const match = PARTIAL.exec(text);
  if (match === null) throw noRange(range);
  const parts = match
    .slice(1, 4)
    .map((part) => (part === undefined || /[xX*]/.test(part) ? undefined : Number(part)));
  // What is behind an open part is open, too.
  const open = parts.indexOf(undefined);
  const given = (open < 0 ? parts : parts.slice(0, open)).map((part) => part ?? 0);
  const [major = 0, minor = 0, patch = 0] = given;
  const tags = open < 0 ? (match[4]?.split('.') ?? []) : [];
  const low: SemVer = { numbers: [major, minor, patch], tags };
  const from: Bound = { holds: (order) => order >= 0, version: low };
  /** Up to the next of the part at this place. */
  const until = (place: number): readonly Bound[] => (place < 0 ? [from] : [from, below(next(given, place))]);
  switch (operator) {
    case '^':
      return until(Math.min(given.length - 1, leading(given)));
    case '~':
      return until(Math.min(given.length - 1, 1));
    case '>=':
      return [from];
    case '<':
      return given.length === 0 ? [NOTHING] : [below(low)];
    case '>':
      if (given.length === 0) return [NOTHING];
      return given.length < 3
        ? [{ ...from, version: next(given, given.length - 1) }]
        : [{ holds: (order) => order > 0, version: low }];
    case '<=':
      if (given.length === 0) return [from];
      return given.length < 3
        ? [below(next(given, given.length - 1))]
        : [{ holds: (order) => order <= 0, version: low }];
  }
  return given.length === 3 ? [{ holds: (order) => order === 0, version: low }] : until(given.length - 1);
}

const NOTHING: Bound = { holds: () => false, version: { numbers: [0, 0, 0], tags: [] } };

function below(version: SemVer): Bound {
  return { holds: (order) => order < 0, version };
}

/** The place of the first part that is not 0, or of the last one. */
function leading(parts: readonly number[]): number {
  const at = parts.findIndex((part) => part > 0);
  return at < 0 ? parts.length - 1 : at;
}

/** The first version with a higher part at a place. */
function next(parts: readonly number[], place: number): SemVer {
  const [major = 0, minor = 0, patch = 0] = parts.map((part, at) =>
    at < place ? part : at === place ? part + 1 : 0,
  );
  return { numbers: [major, minor, patch], tags: [] };
}

function same(a: SemVer['numbers'], b: SemVer['numbers']): boolean {
  return a.every((number, at) => number === b[at]);
}

function noRange(text: string): Error {
  return invalidArgument(
    `"${text.slice(0, LONGEST)}" is no range of versions: write such as ^1.2.0, ~1.2, 1.x, or >=1.2 <3`,
  );
}
