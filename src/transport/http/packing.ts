import { OctavoError } from '../../core/error.js';
import type { HttpWriter } from '../../core/http-writer.js';
import type { Message } from '../../core/message.js';
import type { FlowOptions } from './flow.js';

/** How every reply begins, whatever the outcome, as go-micro has it. */
export const OK = 'HTTP/1.1 200 OK';

/** Refuses what the other end would have to refuse. */
export function checkSize({ header, body }: Message, limits: FlowOptions): void {
  if (body.length > limits.maxMessageBytes)
    throw new OctavoError(
      'resource_exhausted',
      `a message of ${body.length} bytes is over the limit of ${limits.maxMessageBytes} (maxMessageBytes)`,
    );
  if (header.size > limits.maxHeaders)
    throw new OctavoError(
      'resource_exhausted',
      `${header.size} headers are over the limit of ${limits.maxHeaders} (maxHeaders)`,
    );
}

/** The bytes of a message. Refuses a header that the other end would have to refuse. */
export function pack(
  writer: HttpWriter,
  start: string,
  { header, body }: Message,
  { maxHeaderBytes }: FlowOptions,
): Buffer {
  const bytes = writer.write(start, header, body);
  const head = bytes.length - body.length;
  if (head <= maxHeaderBytes) return bytes;
  throw new OctavoError(
    'resource_exhausted',
    `a header of ${head} bytes is over the limit of ${maxHeaderBytes} (maxHeaderBytes)`,
  );
}
