import { randomUUID } from 'node:crypto';
import type { Codecs } from '../../codec/codecs.js';
import type { Message } from '../../core/message.js';
import type { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import type { PublishRequest } from '../client.js';
import { codecFor } from './codec-for.js';

/** The message of an event, with a new id. The metadata becomes its header. */
export function eventMessage(
  { topic, body, type, contentType }: PublishRequest & { readonly contentType: string },
  metadata: Metadata,
  codecs: Codecs,
): Message {
  const id = randomUUID();
  const header = metadata
    .append(mucp.CONTENT_TYPE, contentType)
    .append('Micro-ID', id)
    .append(mucp.TOPIC, topic);
  const event = { kind: 'event', id, service: '', endpoint: topic } as const;
  return { header, body: codecFor(codecs, contentType).write(event, body, type) };
}
