import { OctavoError } from './error.js';

/**
 * What stands before the `@` of an address, decoded.
 *
 * @param shown the address without it: no error shows a credential
 * @throws `invalid_argument` for a `%` that stands for itself
 */
export function readCredential(text: string, shown: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The cause would show it.
    throw new OctavoError(
      'invalid_argument',
      `what stands before the @ of ${shown} cannot be read: write a % in it as %25`,
    );
  }
}
