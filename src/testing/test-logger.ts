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
    return new TestLogger(this.records, { ...this.#fields, ...fields });
  }

  #record(level: Level, message: string, fields?: Fields): void {
    this.records.push({ time: Date.now(), level, message, fields: { ...this.#fields, ...fields } });
  }
}
