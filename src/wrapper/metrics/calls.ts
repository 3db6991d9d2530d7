import type { Gathered, Sample } from './gathered.js';
import { WHERE, type AllSeries, type Series, type Traffic } from './series.js';

/** Shows what was counted of calls. */
export function addCalls(gathered: Gathered, series: AllSeries): void {
  gathered.add({
    name: 'calls_total',
    help: 'Calls, attempts, streams and deliveries of events that have ended.',
    labelNames: [...WHERE, 'kind', 'code'],
    *read() {
      for (const { where, kind, codes } of series)
        for (const [code, count] of codes) yield [{ ...where, kind, code }, count];
    },
  });
  const add = (name: string, help: string, value: (one: Series) => number): void =>
    gathered.add({ name, help, labelNames: WHERE, read: () => each(series, value) });
  add('calls_in_flight', 'Those that have not ended.', ({ inFlight }) => inFlight);
  add('stream_items_total', 'Items of replies that are streams.', ({ items }) => items);
  add('retries_total', 'Attempts after the first, counted around attempts.', ({ retries }) => retries);
  const labelNames = ['side', 'service', 'endpoint', 'kind', 'direction'];
  const count = (name: string, help: string, directions: Directions): void =>
    gathered.add({ name, help, labelNames, read: () => bothWays(series.traffic, directions) });
  count(
    'messages_total',
    'Messages that were decoded or encoded: one each way of a call, and all of a stream.',
    {
      received: ({ messagesReceived }) => messagesReceived,
      sent: ({ messagesSent }) => messagesSent,
    },
  );
  count('message_bytes_total', 'Bytes of their bodies.', {
    received: ({ bytesReceived }) => bytesReceived,
    sent: ({ bytesSent }) => bytesSent,
  });
}

type Directions = Readonly<Record<'received' | 'sent', (one: Traffic) => number>>;

function* each(series: AllSeries, value: (one: Series) => number): Iterable<Sample> {
  for (const one of series) yield [one.where, value(one)];
}

function* bothWays(traffic: Iterable<Traffic>, { received, sent }: Directions): Iterable<Sample> {
  for (const one of traffic) {
    yield [{ ...one.labels, direction: 'received' }, received(one)];
    yield [{ ...one.labels, direction: 'sent' }, sent(one)];
  }
}
