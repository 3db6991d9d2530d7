import { randomUUID } from 'node:crypto';
import type { Codecs } from '../../codec/codecs.js';
import { Context } from '../../core/context.js';
import type { Message } from '../../core/message.js';
import * as mucp from '../../core/mucp.js';
import type { PublishCallOptions, PublishRequest } from '../client.js';
import { outgoingMetadata } from './caller.js';
import { codecFor } from './codec-for.js';

/** The message of an event, with a new id. Inside a handler it is a part of the trace around it. */
export function eventMessage(
  { topic, body, type, contentType }: PublishRequest & { readonly contentType: string },
  { metadata }: PublishCallOptions,
  { codecs, forward = [] }: { readonly codecs: Codecs; readonly forward?: readonly string[] | undefined },
): Message {
  const id = randomUUID();
  const header = outgoingMetadata(metadata, Context.current(), forward)
    .append(mucp.CONTENT_TYPE, contentType)
    .append('Micro-ID', id)
    .append(mucp.TOPIC, topic);
  const event = { kind: 'event', id, service: '', endpoint: topic } as const;
  return { header, body: codecFor(codecs, contentType).write(event, body, type) };
}
