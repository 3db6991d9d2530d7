import type { EndpointRecord } from '../registry/registry.js';
import { schemaValue } from '../schema/value.js';
import type { Endpoint, Subscription } from './server.js';

/** Endpoints and subscribers as go-micro's registry shows them: handlers by name, then subscribers by topic, last first. */
export function endpointRecords(
  endpoints: readonly Endpoint[],
  subscriptions: readonly Subscription[],
): readonly EndpointRecord[] {
  const handlers = endpoints
    .filter(({ method }) => method.options.internal !== true)
    .map(({ method }) => ({
      name: method.endpoint,
      request: schemaValue(method.request),
      response: schemaValue(method.reply),
      metadata: { ...method.options.metadata, ...(method.kind !== 'unary' && { stream: 'true' }) },
    }));
  const subscribers = subscriptions
    .map(({ name, topic, type }) => ({
      name,
      request: schemaValue(type),
      metadata: { subscriber: 'true', topic },
    }))
    .sort((a, b) => (a.metadata.topic < b.metadata.topic ? 1 : -1));
  return [...handlers, ...subscribers];
}
