import { Logger, type Fields, type Level, type LogRecord } from '../core/logger.js';

/** Keeps every record and writes none. */
export class TestLogger extends Logger {
  readonly name = 'test';
  readonly records: LogRecord[];
  readonly #fields: Fields;

  constructor(records: LogRecord[] = [], fields: Fields = {}) {
    super();
    this.records = records;
    this.#fields = fields;
  }

  debug(message: string, fields?: Fields): void {
    this.#record('debug', message, fields);
  }
  info(message: string, fields?: Fields): void {
    this.#record('info', message, fields);
  }
  warn(message: string, fields?: Fields): void {
    this.#record('warn', message, fields);
  }
  error(message: string, fields?: Fields): void {
    this.#record('error', message, fields);
  }

  child(fields: Fields): Logger {
    return new TestLogger(this.records, over(this.#fields, fields));
  }

  #record(level: Level, message: string, fields?: Fields): void {
    this.records.push({ time: Date.now(), level, message, fields: over(this.#fields, fields) });
  }
}

/** The fields of both, where one's own win. A getter is not read: what it throws is for whoever looks. */
function over(fields: Fields, own: Fields = {}): Fields {
  const descriptors = {
    ...Object.getOwnPropertyDescriptors(fields),
    ...Object.getOwnPropertyDescriptors(own),
  };
  // Of what was given, and nothing else.
  return Object.defineProperties({}, descriptors) as Fields;
}
