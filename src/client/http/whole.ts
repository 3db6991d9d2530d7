import type { Readable } from 'node:stream';
import { OctavoError } from '../../core/error.js';

/** Reads a body to its end, and tells once what it was. Nothing over the limit is kept, or read on. */
export function whole(
  body: Readable,
  maxBytes: number,
  done: (error: OctavoError | undefined, bytes: Buffer) => void,
): void {
  const pieces: Buffer[] = [];
  let length = 0;
  let told = false;
  const tell = (error: OctavoError | undefined): void => {
    if (told) return;
    told = true;
    done(error, pieces.length === 1 ? (pieces[0] ?? NOTHING) : Buffer.concat(pieces));
  };
  body.on('data', (piece: Buffer) => {
    length += piece.length;
    if (length <= maxBytes) return void pieces.push(piece);
    pieces.length = 0;
    tell(
      new OctavoError(
        'resource_exhausted',
        `an answer of more than ${maxBytes} bytes came (maxMessageBytes)`,
      ),
    );
    body.destroy();
  });
  body.on('end', () => tell(undefined));
  const broke = (cause?: Error): void =>
    tell(new OctavoError('unavailable', 'the answer broke off', { cause }));
  body.on('error', broke);
  body.on('close', () => broke());
}

const NOTHING = Buffer.alloc(0);
