import assert from 'node:assert/strict';

import { OctavoError } from '../../src/core/error.js';
import type { Code } from '../../src/core/error.js';

/** The error that `work` throws; fails unless it is an `OctavoError` of this code whose message fits. */
export function refused(
  work: () => unknown,
  message: RegExp | string,
  code: Code = 'invalid_argument',
): OctavoError {
  try {
    work();
  } catch (reason) {
    assert(reason instanceof OctavoError, `not an OctavoError: ${String(reason)}`);
    assert.equal(reason.code, code, reason.message);
    if (typeof message === 'string') assert.equal(reason.message, message);
    else assert.match(reason.message, message);
    return reason;
  }
  assert.fail(`nothing was thrown; expected ${String(message)}`);
}

/** Bytes written in hexadecimal, with spaces as one likes. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

/** Hexadecimal of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
