import { readFileSync } from 'node:fs';
import { HttpReader, type HttpMessage } from '../../src/core/http-message.js';
import { MESSAGE_LIMITS } from '../../src/transport/transport.js';

/** Recorded traffic of go-micro v4.11, from `test/interop/captures`. Line ends that were on the wire are written out in it. */
export function capture(name: string): string {
  return readFileSync(`test/interop/captures/${name}.txt`, 'utf8');
}

/** The bytes of a printed piece: what was written out becomes what it was, and what printing added goes. */
export function bytesOf(printed: string): Buffer {
  return Buffer.from(
    printed.replaceAll('\\r\\n\n', '\r\n').replaceAll('\\r\\n', '\r\n').replace(/\n$/, ''),
    'latin1',
  );
}

/** One piece of a recorded connection, and who sent it. */
export interface Piece {
  readonly from: 'client' | 'server';
  readonly bytes: Buffer;
}

/** The connections in a recording of both directions. */
export function connectionsOf(text: string): Piece[][] {
  const connections: Piece[][] = [[]];
  for (const [, from, end, printed = ''] of text.matchAll(
    /^--- (C->S|S->C)( FIN)?\n((?:(?!--- ).*\n?)*)/gm,
  )) {
    if (end === undefined)
      connections.at(-1)?.push({ from: from === 'C->S' ? 'client' : 'server', bytes: bytesOf(printed) });
    // The server's end is the last thing that happens on a connection.
    else if (from === 'S->C') connections.push([]);
  }
  return connections.filter((pieces) => pieces.length > 0);
}

/** The messages in these bytes. */
export function messagesIn(bytes: Uint8Array): HttpMessage[] {
  const messages: HttpMessage[] = [];
  new HttpReader(MESSAGE_LIMITS, (message) => messages.push(message)).feed(Buffer.from(bytes));
  return messages;
}

/** What a message says, in one line: its error, or its body. */
export function saying({ header, body }: HttpMessage): string {
  return header.get('Micro-Error') ?? Buffer.from(body).toString().trim();
}
