import type { IWatchResponse } from 'etcd3';
import { OctavoError } from '../../core/error.js';

/** Keys from one up to another, or just the one. */
export interface Range {
  readonly key: Buffer;
  readonly range_end?: Buffer;
}

/** What became of a key: `value` is `undefined` where it is gone. */
export interface Change {
  readonly key: string;
  readonly value: string | undefined;
}

/** The range of keys that begin so. */
export function rangeOf(prefix: string): Range {
  const key = Buffer.from(prefix);
  const end = Buffer.from(prefix);
  let at = end.length - 1;
  while (at >= 0 && end[at] === 0xff) at--;
  if (at < 0) return { key: Buffer.from([0]), range_end: Buffer.from([0]) };
  end[at] = (end[at] ?? 0) + 1;
  return { key, range_end: end.subarray(0, at + 1) };
}

/** The changes that a watch tells of. Throws where it tells of its end. */
export function changesIn({
  canceled,
  cancel_reason: why,
  compact_revision: from,
  events,
}: IWatchResponse): Change[] {
  if (canceled)
    throw new OctavoError(
      'unavailable',
      `etcd ended a watch: ${from === '0' ? why || 'it does not say why' : `it has forgotten what was before revision ${from}`}`,
    );
  return events.map(({ type, kv }) => ({
    key: kv.key.toString(),
    value: type === 'Put' ? kv.value.toString() : undefined,
  }));
}
