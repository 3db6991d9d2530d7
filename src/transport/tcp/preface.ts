import { CODES, OctavoError, type Code } from '../../core/error.js';
import { MAGIC, PREFACE_BYTES, REFUSAL, VERSION, type Terms } from './frames.js';

/** Bytes of the text of a refusal. */
const LONGEST_REFUSAL = 4_096;
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

/** What a listener says in place of a preface to somebody whom it serves nothing, and why. */
export function writeRefusal({ code, message }: OctavoError): Buffer {
  const text = Buffer.from(message.slice(0, LONGEST_REFUSAL / 4));
  return Buffer.from([...MAGIC, REFUSAL, CODES[code].grpc, text.length >> 8, text.length & 0xff, ...text]);
}

/** An error that came in place of a preface; `undefined` while there is less than all of it. */
function readRefusal(bytes: Buffer): OctavoError | undefined {
  const begin = MAGIC.length + 4;
  if (bytes.length < begin) return undefined;
  const end = begin + Math.min(LONGEST_REFUSAL, bytes.readUInt16BE(begin - 2));
  if (bytes.length < end) return undefined;
  const [code = 'unavailable'] =
    Object.entries(CODES).find(([, { grpc }]) => grpc === bytes[begin - 3]) ?? [];
  // The names of the table are codes.
  return new OctavoError(code as Code, bytes.toString('utf8', begin, end), { executed: false });
}

/**
 * Reads a preface; `undefined` while there is less than one.
 *
 * @param dialled whether whoever sends it was dialled: only a listener may refuse
 * @throws `invalid_argument` that says what it is instead, as soon as that shows; or the refusal, which was not executed
 */
export function readPreface(
  bytes: Buffer,
  dialled: boolean,
): { readonly terms: Terms; readonly bytes: number } | undefined {
  const known = Math.min(bytes.length, MAGIC.length);
  if (MAGIC.some((byte, at) => at < known && bytes[at] !== byte))
    throw new OctavoError('invalid_argument', `${stranger(bytes)}, and not Octavo's tcp transport`);
  const version = bytes[MAGIC.length];
  if (version === REFUSAL && dialled) {
    const refusal = readRefusal(bytes);
    if (refusal !== undefined) throw refusal;
    return undefined;
  }
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
