import { STATUS_CODES } from 'node:http';
import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { readEnvelope, type HeaderLimits } from '../envelope.js';

/** Why a post is no event: the status that go-micro answers, and what is wrong. */
export interface Fault {
  readonly status: number;
  readonly detail: string;
}

/** The event in a post, or what is wrong with it. */
export function readPost(bytes: Buffer, limits: HeaderLimits): Message | Fault {
  try {
    const message = readEnvelope(bytes, limits);
    return message.header.has('Micro-Topic') ? message : { status: 500, detail: 'Topic not found' };
  } catch (reason) {
    const { code, message } = OctavoError.from(reason);
    if (code === 'resource_exhausted') return { status: 413, detail: message };
    return { status: 500, detail: `Error parsing request body: ${message}` };
  }
}

/** The JSON of an error, as go-micro's broker answers. */
export function refusal(code: number, detail: string): Readonly<Record<string, unknown>> {
  return { id: 'go.micro.broker', code, detail, status: STATUS_CODES[code] };
}
