import { STATUS_CODES } from 'node:http';
import { CODES, OctavoError } from '../../core/error.js';
import { writeHttp } from '../../core/http-writer.js';
import type { Message } from '../../core/message.js';
import { Metadata, isReserved } from '../../core/metadata.js';
import { readError } from '../../core/wire-error.js';

/**
 * A reply as plain HTTP: a status of the error table and a JSON error, or 200 and the body. Callers are `curl` and browsers' `fetch`.
 *
 * The error is `{"code":"invalid_argument","message":"...","details":[...]}`, `details` only where there are any.
 */
export function plainReply(reply: Message | OctavoError): Buffer {
  const error = reply instanceof OctavoError ? reply : errorOf(reply);
  const header = new Metadata();
  if (!(reply instanceof OctavoError))
    for (const [name, value] of reply.header) if (!isReserved(name)) header.append(name, value);
  if (error === undefined) {
    const message = reply as Message; // an OctavoError was its own error
    header.set('Content-Type', message.header.get('Content-Type') ?? 'application/json');
    return writeHttp('HTTP/1.1 200 OK', header, message.body);
  }
  const { http } = CODES[error.code];
  header.set('Content-Type', 'application/json');
  const body = {
    code: error.code,
    message: error.message,
    ...(error.details.length > 0 && { details: error.details }),
  };
  const last = reply instanceof OctavoError ? 'Connection: close\r\n' : '';
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  return writeHttp(`HTTP/1.1 ${http} ${STATUS_CODES[http] ?? 'Client Closed Request'}`, header, text, last);
}

function errorOf(reply: Message): OctavoError | undefined {
  const text = reply.header.get('Micro-Error');
  return text === undefined ? undefined : readError(text);
}
