import { GeneratedSource } from './generated-source.js';

/** The longest string that is read this way: to here it is quicker than to ask V8 for a string of bytes. */
export const LONGEST_ASCII = 40;

/** A string of so many bytes, up to {@link LONGEST_ASCII}, or `undefined` where they are not all ASCII. */
export type ReadAscii = (buffer: Uint8Array, pos: number, length: number) => string | undefined;

/** Generates a reader that has a case for each length, and so makes each string in one piece. */
export function generateReadAscii(): ReadAscii {
  const source = new GeneratedSource();
  source.block('switch (length)', () => {
    source.line("case 0: return '';");
    for (let length = 1; length <= LONGEST_ASCII; length++) {
      const codes = Array.from({ length }, (_, at) => `c${at}`);
      source.block(`case ${length}:`, () => {
        source.line(`const ${codes.map((code, at) => `${code} = buffer[pos + ${at}]`).join(', ')};`);
        source.line(`if ((${codes.join(' | ')}) < 128) return String.fromCharCode(${codes.join(', ')});`);
      });
      source.line('break;');
    }
  });
  // What was generated has these parameters.
  return source.compile('read', 'ascii', 'buffer, pos, length') as ReadAscii;
}
