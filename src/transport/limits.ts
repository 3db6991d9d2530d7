import { OctavoError } from '../core/error.js';
import type { Message } from '../core/message.js';
import type { MESSAGE_LIMITS } from './transport.js';

/** Why a message is over the limits, if it is. */
export function excess(
  { header, body }: Message,
  { maxMessageBytes, maxHeaderBytes, maxHeaders }: typeof MESSAGE_LIMITS,
): OctavoError | undefined {
  if (body.length > maxMessageBytes)
    return tooMuch(`a message of ${body.length} bytes`, maxMessageBytes, 'maxMessageBytes');
  if (header.size > maxHeaders) return tooMuch(`${header.size} headers`, maxHeaders, 'maxHeaders');
  if (header.exceeds(maxHeaderBytes))
    return tooMuch('the header', `${maxHeaderBytes} bytes`, 'maxHeaderBytes');
  return undefined;
}

function tooMuch(what: string, limit: number | string, option: string): OctavoError {
  return new OctavoError('resource_exhausted', `${what}: the limit is ${limit} (${option})`);
}
