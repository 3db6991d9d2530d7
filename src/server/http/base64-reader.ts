/** Reads base64 that comes in parts. It may be of several pieces, each with padding of its own, as gRPC-Web's text is. */
export class Base64Reader {
  #rest = '';

  read(chunk: Buffer): Buffer {
    const text = this.#rest + chunk.toString('latin1');
    const whole = text.length - (text.length % 4);
    this.#rest = text.slice(whole);
    const pieces = text.slice(0, whole).match(/[^=]+={0,2}/g) ?? [];
    return Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64')));
  }
}
