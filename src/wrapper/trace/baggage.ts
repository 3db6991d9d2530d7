import type * as Api from '@opentelemetry/api';
import type { Metadata } from '../../core/metadata.js';

/** What a header may have in all. Source: W3C Baggage, "Limits". */
const MOST_BYTES = 8_192;

/** A name is a token of HTTP; a value is printable, without quotes, commas, semicolons and backslashes. */
const ENTRY = /^\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*)\s*$/;

/**
 * The listed entries of the baggage that came with metadata; `undefined` where there are none. Their properties are left out.
 *
 * Source: W3C Baggage.
 */
export function readBaggage(
  metadata: Metadata,
  names: ReadonlySet<string>,
  api: typeof Api,
): Api.Baggage | undefined {
  const text = names.size === 0 ? undefined : metadata.get('baggage');
  if (text === undefined || text.length > MOST_BYTES) return undefined;
  const entries: Record<string, Api.BaggageEntry> = Object.create(null) as typeof entries;
  let found = false;
  for (const part of text.split(',')) {
    const [, name = '', encoded = ''] = ENTRY.exec(part.split(';', 1)[0] ?? '') ?? [];
    const value = names.has(name) ? decoded(encoded) : undefined;
    if (value === undefined) continue;
    entries[name] = { value };
    found = true;
  }
  return found ? api.propagation.createBaggage(entries) : undefined;
}

/** Puts the listed entries of the baggage into metadata, in place of what was there. What would be over the limit is left out. */
export function writeBaggage(
  metadata: Metadata,
  names: ReadonlySet<string>,
  baggage: Api.Baggage | undefined,
): void {
  if (names.size === 0) return;
  let text = '';
  for (const [name, { value }] of baggage?.getAllEntries() ?? []) {
    if (!names.has(name)) continue;
    const next = `${text === '' ? '' : `${text},`}${name}=${encodeURIComponent(value)}`;
    if (next.length <= MOST_BYTES) text = next;
  }
  if (text === '') metadata.delete('baggage');
  else metadata.set('baggage', text);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
