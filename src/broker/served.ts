import { OctavoError } from '../core/error.js';
import type { Message } from '../core/message.js';
import type { Broker, BrokerOptions, SubscribeOptions } from './broker.js';

/** What the brokers that stand on a server have in common. */
export interface ServedBrokerOptions extends BrokerOptions {
  /** For how long a publish waits for the server's word, in milliseconds; then it rejects with `deadline_exceeded`. @defaultValue `10_000` */
  readonly timeoutMs?: number;
  /** For how long the start looks for a server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
  /** How many publishes are under way at once; over it `publish` rejects with `resource_exhausted`. @defaultValue `1_024` */
  readonly maxPublishes?: number;
  /** Bytes of one event's body; over it `publish` rejects with `resource_exhausted`. @defaultValue 4 MiB */
  readonly maxMessageBytes?: number;
  /** How many events the handler of one subscription deals with at once. Over 1 they are in no order. @defaultValue `1` */
  readonly concurrency?: number;
  /** How many events one subscription holds: those in its handler, those that wait for it, and those not acknowledged yet. @defaultValue `32`, or `concurrency` where that is more */
  readonly prefetch?: number;
  /** For how long `stop` waits for events in hand, in milliseconds. @defaultValue `10_000` */
  readonly drainMs?: number;
}

/** Limits as they hold, with the defaults filled in. */
export type ServedLimits = Readonly<Required<Omit<ServedBrokerOptions, 'addresses'>>>;

/** The limits of a broker with these options, in one of which its backend may differ by default. */
export function servedLimits(
  options: ServedBrokerOptions,
  defaults: Partial<ServedLimits> = {},
): ServedLimits {
  const { concurrency = defaults.concurrency ?? 1 } = options;
  const { prefetch = Math.max(defaults.prefetch ?? 32, concurrency) } = options;
  for (const [name, value] of Object.entries({ concurrency, prefetch }))
    if (!Number.isInteger(value) || value < 1)
      throw new OctavoError('failed_precondition', `${name} is ${value}: give a whole number from 1 on`);
  if (prefetch < concurrency)
    throw new OctavoError(
      'failed_precondition',
      `prefetch ${prefetch} is below concurrency ${concurrency}: a handler would never get its share`,
    );
  return {
    timeoutMs: options.timeoutMs ?? defaults.timeoutMs ?? 10_000,
    connectTimeoutMs: options.connectTimeoutMs ?? defaults.connectTimeoutMs ?? 5_000,
    maxPublishes: options.maxPublishes ?? defaults.maxPublishes ?? 1_024,
    maxMessageBytes: options.maxMessageBytes ?? defaults.maxMessageBytes ?? 4 * 1024 * 1024,
    concurrency,
    prefetch,
    drainMs: options.drainMs ?? defaults.drainMs ?? 10_000,
  };
}

/** What a broker says to whoever uses it before its start. */
export function notStarted({ name }: Broker): OctavoError {
  return new OctavoError('failed_precondition', `the ${name} broker is not started: call start() first`);
}

/** @throws `failed_precondition` for a subscription that must be durable, where the broker cannot or nobody is named whom events wait for */
export function checkDurable({ name, guarantees }: Broker, topic: string, options: SubscribeOptions): void {
  if (options.durable !== true) return;
  if (!guarantees.durable)
    throw new OctavoError(
      'failed_precondition',
      `the ${name} broker keeps nothing while a subscriber of "${topic}" is away: leave "durable" out`,
    );
  if (options.queue === undefined)
    throw new OctavoError(
      'failed_precondition',
      `a durable subscription to "${topic}" needs a "queue": it says for whom events wait`,
    );
}

/** @throws `resource_exhausted` for a body over the limit */
export function checkBody(topic: string, { body }: Message, maxMessageBytes: number): void {
  if (body.length > maxMessageBytes)
    throw new OctavoError(
      'resource_exhausted',
      `an event of ${body.length} bytes for "${topic}" is over the limit of ${maxMessageBytes} (maxMessageBytes)`,
    );
}
