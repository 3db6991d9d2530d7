import type { Meter } from '../../core/context.js';
import type { Code } from '../../core/error.js';
import type { Call } from '../wrapper.js';

/** A longer name is not told apart from others. */
const LONGEST_NAME = 256;

export const WHERE = ['around', 'service', 'endpoint'] as const;

/** What was counted of one kind of call at one place. */
export class Series {
  readonly where: Readonly<Record<(typeof WHERE)[number], string>>;
  readonly kind: Call['kind'];
  /** The labels of its durations. */
  readonly timed: Readonly<Record<(typeof WHERE)[number] | 'kind', string>>;
  readonly codes = new Map<Code | 'ok', number>();
  readonly traffic: Traffic;
  inFlight = 0;
  items = 0;
  retries = 0;

  constructor(where: Series['where'], kind: Call['kind'], traffic: Traffic) {
    this.where = where;
    this.kind = kind;
    this.timed = { ...where, kind };
    this.traffic = traffic;
  }

  count(code: Code | 'ok'): void {
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }
}

/** What went over the wire for one kind of call: counted once, in however many places a wrapper stands. */
export class Traffic implements Meter {
  readonly labels: Readonly<Record<'side' | 'service' | 'endpoint' | 'kind', string>>;
  messagesReceived = 0;
  bytesReceived = 0;
  messagesSent = 0;
  bytesSent = 0;

  constructor(labels: Traffic['labels']) {
    this.labels = labels;
  }

  received(bytes: number): void {
    this.messagesReceived++;
    this.bytesReceived += bytes;
  }

  sent(bytes: number): void {
    this.messagesSent++;
    this.bytesSent += bytes;
  }
}

/** Everything that was counted. */
export class AllSeries implements Iterable<Series> {
  readonly #maxEndpoints: number;
  readonly #endpoints = new Set<string>();
  readonly #series = new Map<string, Series>();
  readonly #traffic = new Map<string, Traffic>();

  constructor(maxEndpoints: number) {
    this.#maxEndpoints = maxEndpoints;
  }

  get traffic(): Iterable<Traffic> {
    return this.#traffic.values();
  }

  of(call: Call): Series {
    const { service, endpoint, kind, side } = call;
    const around = placeOf(call);
    return (
      this.#series.get(`${around} ${kind} ${service} ${endpoint}`) ??
      this.#add({ around, service, endpoint }, kind, side)
    );
  }

  #add(asked: Series['where'], kind: Call['kind'], side: Call['side']): Series {
    const name = `${asked.service} ${asked.endpoint}`;
    const room = this.#endpoints.size < this.#maxEndpoints && name.length <= LONGEST_NAME;
    const other = !room && !this.#endpoints.has(name);
    const where = other ? { ...asked, service: 'other', endpoint: 'other' } : asked;
    if (!other) this.#endpoints.add(name);
    const { around, service, endpoint } = where;
    const key = `${around} ${kind} ${service} ${endpoint}`;
    const series = this.#series.get(key) ?? new Series(where, kind, this.#trafficOf(side, kind, where));
    this.#series.set(key, series);
    return series;
  }

  #trafficOf(side: Call['side'], kind: Call['kind'], { service, endpoint }: Series['where']): Traffic {
    const key = `${side} ${kind} ${service} ${endpoint}`;
    const traffic = this.#traffic.get(key) ?? new Traffic({ side, service, endpoint, kind });
    this.#traffic.set(key, traffic);
    return traffic;
  }

  [Symbol.iterator](): Iterator<Series> {
    return this.#series.values();
  }
}

function placeOf({ side, kind, peer: to }: Call): string {
  if (kind === 'event') return side === 'client' ? 'publish' : 'subscriber';
  if (side === 'server') return 'handler';
  return to === undefined ? 'call' : 'attempt';
}
