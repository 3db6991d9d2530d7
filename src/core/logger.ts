/** How much a record matters, from least to most. */
export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

/** Facts beside the message. An `error` member is written with its code and cause, and its stack at level `error`. */
export type Fields = Readonly<Record<string, unknown>>;

/** One line of a log. */
export interface LogRecord {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly level: Level;
  readonly message: string;
  readonly fields: Fields;
}

/**
 * Takes records of what happens. Never throws, and never waits for its output.
 *
 * `octavo/conformance/logger` says whether an implementation is one.
 */
export abstract class Logger {
  /** What errors call this implementation. */
  abstract readonly name: string;

  abstract debug(message: string, fields?: Fields): void;
  abstract info(message: string, fields?: Fields): void;
  abstract warn(message: string, fields?: Fields): void;
  abstract error(message: string, fields?: Fields): void;

  /** A logger that adds these fields to every record; a record's own fields win. */
  abstract child(fields: Fields): Logger;
}
