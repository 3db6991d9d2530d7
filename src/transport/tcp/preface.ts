import { OctavoError } from '../../core/error.js';
import { MAGIC, PREFACE_BYTES, VERSION, type Terms } from './frames.js';

/** The most that a field of four bytes says. */
const MOST = 2 ** 32 - 1;

/** What an end begins with: who it is, and what it takes. */
export function writePreface(terms: Terms): Buffer {
  const bytes = Buffer.alloc(PREFACE_BYTES);
  bytes.set(MAGIC);
  bytes[7] = VERSION;
  bytes.writeUInt32BE(Math.min(MOST, terms.windowBytes), 8);
  bytes.writeUInt32BE(Math.min(MOST, terms.maxStreams), 12);
  bytes.writeUInt32BE(Math.min(MOST, terms.maxMessageBytes), 16);
  bytes.writeUInt32BE(Math.min(MOST, terms.maxHeaderBytes), 20);
  bytes.writeUInt16BE(Math.min(0xffff, terms.maxHeaders), 24);
  return bytes;
}

/**
 * Reads a preface; `undefined` while there is less than one.
 *
 * @throws `invalid_argument` that says what it is instead, as soon as that shows
 */
export function readPreface(bytes: Buffer): { readonly terms: Terms; readonly bytes: number } | undefined {
  const known = Math.min(bytes.length, MAGIC.length);
  if (MAGIC.some((byte, at) => at < known && bytes[at] !== byte))
    throw new OctavoError('invalid_argument', `${stranger(bytes)}, and not Octavo's tcp transport`);
  const version = bytes[MAGIC.length];
  if (version !== undefined && version !== VERSION)
    throw new OctavoError(
      'invalid_argument',
      `it speaks version ${version} of Octavo's tcp transport, and this is version ${VERSION}`,
    );
  if (bytes.length < PREFACE_BYTES) return undefined;
  const terms = {
    windowBytes: bytes.readUInt32BE(8),
    maxStreams: bytes.readUInt32BE(12),
    maxMessageBytes: bytes.readUInt32BE(16),
    maxHeaderBytes: bytes.readUInt32BE(20),
    maxHeaders: bytes.readUInt16BE(24),
  };
  if (terms.windowBytes === 0)
    throw new OctavoError('invalid_argument', 'its preface allows no bytes on a stream');
  return { terms, bytes: PREFACE_BYTES };
}

/** What else speaks like this. */
function stranger(bytes: Buffer): string {
  if (bytes[0] === 0x16 || bytes[0] === 0x15) return 'it speaks TLS';
  return isHttp(bytes) ? 'it speaks HTTP' : 'it speaks something else';
}

/** Whether these are the first bytes of a request or a response. */
export function isHttp(bytes: Buffer): boolean {
  return /^(?:HTTP\/|[A-Z]{3,8} [!-~])/.test(bytes.toString('latin1', 0, 16));
}
