import * as mucp from '../../core/mucp.js';

/** A header that either end knows by a number, or one whose name alone is known. */
export class KnownPair {
  readonly name: string;
  readonly value: string;
  /** What it takes of the limit of a header, in bytes: as a line of `name: value`. */
  readonly size: number;
  /** Its number; negative when it was forgotten. */
  index: number;
  /** The number of its name where its value is spelled out each time, else negative. */
  readonly spelled: number;

  constructor(name: string, value: string, size: number, index: number, spelled = -1) {
    this.name = name;
    this.value = value;
    this.size = size;
    this.index = index;
    this.spelled = spelled;
  }
}

/** Names that take one byte. Their order is part of the wire. */
export const NAMES: readonly string[] = [
  mucp.CONTENT_TYPE,
  mucp.SERVICE,
  mucp.ENDPOINT,
  mucp.METHOD,
  mucp.ID,
  mucp.STREAM,
  mucp.TOPIC,
  mucp.ERROR,
  `X-${mucp.ERROR}`,
  mucp.TIMEOUT,
  mucp.OCTAVO,
  mucp.FRAME,
  mucp.KEEPALIVE,
  'Authorization',
  'traceparent',
  'tracestate',
];

/** The number of a name that is written out. */
export const SPELLED_NAME = 31;

/** Headers that take one byte from the beginning. Their order is part of the wire. */
export const PAIRS: readonly KnownPair[] = [
  [mucp.CONTENT_TYPE, 'application/protobuf'],
  [mucp.CONTENT_TYPE, 'application/json'],
  [mucp.OCTAVO, mucp.DIALECT],
  [mucp.ERROR, mucp.EOS],
  [`X-${mucp.ERROR}`, mucp.EOS],
  [mucp.FRAME, 'open'],
  [mucp.FRAME, 'beat'],
  [mucp.KEEPALIVE, '30000'],
].map(([name = '', value = ''], index) => new KnownPair(name, value, name.length + value.length + 4, index));

/** The number of the first header that is learned. */
export const FIRST_LEARNED = 16;
/** How many headers one direction of a connection remembers at most, and how many bytes they may have. */
const MOST_LEARNED = 2_048;
const MOST_LEARNED_BYTES = 96 * 1024;
/** Bytes of the longest header that is remembered. */
export const LONGEST_LEARNED = 1_024;

/** Headers that are another one each time: remembering them would be in vain. */
export const CHANGING: ReadonlyMap<string, KnownPair> = new Map(
  [mucp.ID, mucp.TIMEOUT, 'traceparent'].map((name) => [
    name,
    new KnownPair(name, '', 0, 0, NAMES.indexOf(name)),
  ]),
);

/** The headers that one direction of a connection remembers, the oldest forgotten first. Both ends keep the same. */
export class Learned {
  readonly #pairs: (KnownPair | undefined)[] = [];
  readonly #onForget: ((pair: KnownPair) => void) | undefined;
  #next = 0;
  #oldest = 0;
  #count = 0;
  #bytes = 0;

  constructor(onForget?: (pair: KnownPair) => void) {
    this.#onForget = onForget;
  }

  /** Remembers one of at most {@link LONGEST_LEARNED} bytes. */
  add(name: string, value: string, size: number): KnownPair {
    while (this.#count > 0 && (this.#count === MOST_LEARNED || this.#bytes + size > MOST_LEARNED_BYTES))
      this.#forget();
    const pair = new KnownPair(name, value, size, FIRST_LEARNED + this.#next);
    this.#pairs[this.#next] = pair;
    this.#next = (this.#next + 1) % MOST_LEARNED;
    this.#count++;
    this.#bytes += size;
    return pair;
  }

  /** The header of a number, if there is one. */
  get(index: number): KnownPair | undefined {
    return index < FIRST_LEARNED ? PAIRS[index] : this.#pairs[index - FIRST_LEARNED];
  }

  #forget(): void {
    const pair = this.#pairs[this.#oldest];
    this.#pairs[this.#oldest] = undefined;
    this.#oldest = (this.#oldest + 1) % MOST_LEARNED;
    this.#count--;
    if (pair === undefined) return;
    this.#bytes -= pair.size;
    pair.index = -1;
    this.#onForget?.(pair);
  }
}
