import type { Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import { OctavoError } from '../../core/error.js';

/** The codec that a call asked for. */
export function codecFor(codecs: Codecs, contentType: string): Codec {
  const codec = codecs.get(contentType);
  if (codec !== undefined) return codec;
  throw new OctavoError(
    'invalid_argument',
    `no codec writes "${contentType}": there are ${codecs.contentTypes.join(', ')}`,
    { executed: false },
  );
}
