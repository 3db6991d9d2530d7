import { OctavoError } from '../../core/error.js';
import { grpcEncoding, type GrpcEncoding } from '../../core/grpc-compression.js';
import type { Form, Forms } from './form.js';

/** A request that is in the query of a URL. */
export interface QueryRequest {
  readonly form: Form;
  readonly message: Uint8Array;
  readonly packed: GrpcEncoding | undefined;
}

/**
 * Reads `?connect=v1&encoding=json&message=%7B%7D`, with `base64=1` and `compression=gzip` where it has them.
 *
 * @throws `invalid_argument` that says what is missing. Source: connectrpc.com/docs/protocol, Unary-Get-Request.
 */
export function readQuery(url: string, forms: Forms, endpoint: string): QueryRequest {
  const at = url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  const refuse = (why: string): OctavoError =>
    new OctavoError(
      'invalid_argument',
      `GET of ${endpoint}: ${why}; write ?encoding=json&message={}, or POST`,
      {
        executed: false,
      },
    );
  const version = query.get('connect');
  if (version !== null && version !== 'v1') throw refuse(`connect=${version.slice(0, 20)} is not v1`);
  const encoding = query.get('encoding');
  if (encoding === null) throw refuse('it has no "encoding" in its query');
  const form = forms.ofQuery(encoding);
  if (form === undefined) throw refuse(`encoding=${encoding.slice(0, 20)} is not known here`);
  const text = query.get('message');
  if (text === null) throw refuse('it has no "message" in its query');
  const base64 = query.get('base64') === '1';
  return {
    form,
    // Both alphabets of base64 are read.
    message: Buffer.from(text, base64 ? 'base64' : 'utf8'),
    packed: grpcEncoding(query.get('compression') ?? undefined),
  };
}
