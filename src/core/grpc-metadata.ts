import { OctavoError } from './error.js';
import { Metadata, checkMetadata, isReserved } from './metadata.js';

/**
 * Names, separated by commas, whose values are percent-encoded: text that is not printable ASCII, which is all that gRPC takes, and several
 * values of one name, which HTTP/2 may join. Who does not know it reads them as they stand.
 *
 * Source of what is legal: grpc.io `PROTOCOL-HTTP2.md`, Custom-Metadata.
 */
const TEXT = 'octavo-text';
const NAME = /^[0-9a-z_.-]+$/;
/** Printable, and without blanks at its ends, which may be stripped. */
const VALUE = /^(?:[!-~](?:[ -~]*[!-~])?)?$/;

/**
 * Metadata as gRPC carries it: names in lower case, bytes under those that end in `-bin`, and printable ASCII under all others.
 *
 * @throws `invalid_argument` for what {@link checkMetadata} refuses, and for a name that gRPC does not know
 */
export function toGrpc(metadata: Metadata): [string, string | Buffer][] {
  const pairs = [...checkMetadata(metadata)].map(([name, value]): [string, string] => [
    name.toLowerCase(),
    value,
  ]);
  const bad = pairs.find(([name]) => !NAME.test(name));
  if (bad !== undefined)
    throw new OctavoError(
      'invalid_argument',
      `metadata "${bad[0]}" has a name that gRPC does not know: use letters, digits, "-", "_" and "."`,
    );
  const text = new Set<string>();
  const seen = new Set<string>();
  for (const [name, value] of pairs) {
    if (!isBytes(name) && (seen.has(name) || !VALUE.test(value))) text.add(name);
    seen.add(name);
  }
  const written = pairs.flatMap(([name, value]): [string, string | Buffer][] => {
    // Those that were joined for a wire with one value for each name come apart again.
    if (isBytes(name)) return value.split(',').map((each) => [name, Buffer.from(each, 'base64')]);
    return [[name, text.has(name) ? percent(value) : value]];
  });
  return text.size === 0 ? written : [...written, [TEXT, [...text].join(',')]];
}

/** What {@link toGrpc} or another sender wrote, without the names of the wire. What is wrongly encoded stays as it is. */
export function fromGrpc(pairs: Iterable<readonly [string, string | Uint8Array]>): Metadata {
  const all = [...pairs];
  const text = new Set(all.flatMap(([name, value]) => (name === TEXT ? String(value).split(',') : [])));
  const metadata = new Metadata();
  for (const [name, value] of all) {
    if (isReserved(name)) continue;
    if (typeof value !== 'string' || !text.has(name)) metadata.append(name, value);
    // An encoded value has no comma.
    else for (const each of value.split(', ')) metadata.append(name, plain(each));
  }
  return metadata;
}

function isBytes(name: string): boolean {
  return name.endsWith('-bin');
}

/** All but printable ASCII, and what would be taken for an encoding or for the mark between two values. */
function percent(value: string): string {
  // Halves of characters cannot be written.
  return Buffer.from(value)
    .toString()
    .replaceAll(/[^!-$&-+\--~]+/gu, encodeURIComponent);
}

function plain(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
