import { OctavoError } from '../../core/error.js';
import type { Metadata } from '../../core/metadata.js';

// CR, LF and NUL would end the header, or the text, of the next wire.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\r\n\0]/;

/** Adds what came from outside. Throws `invalid_argument` for a name or value that no wire could carry on. */
export function appendChecked(header: Metadata, name: string, value: string): void {
  if (name === '' || FORBIDDEN.test(name) || FORBIDDEN.test(value))
    throw malformed('a header has no name, or a line break in it');
  header.append(name, value);
}

export function malformed(what: string): OctavoError {
  return new OctavoError('invalid_argument', `malformed message on the bus: ${what}`);
}
