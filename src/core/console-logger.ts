import { LEVELS, Logger, type Fields, type Level, type LogRecord } from './logger.js';
import { OctavoError } from './error.js';

export interface ConsoleLoggerOptions {
  /** The least level that is written. @defaultValue `'info'` */
  readonly level?: Level;
  /** Takes each line, without its end. @defaultValue writes to standard error */
  readonly write?: (line: string) => void;
  /** How many records {@link ConsoleLogger.recent} keeps. @defaultValue `1024` */
  readonly keep?: number;
}

/** A field's value longer than this is cut. */
const LONGEST = 2_048;

/** Writes one line of text for each record, and keeps the newest in memory for `Debug.Log`. */
export class ConsoleLogger extends Logger {
  readonly name = 'console';
  readonly #least: number;
  readonly #write: (line: string) => void;
  readonly #kept: Kept;
  readonly #fields: Fields;

  constructor({ level = 'info', write = toStandardError, keep = 1_024 }: ConsoleLoggerOptions = {}) {
    super();
    this.#least = LEVELS.indexOf(level);
    this.#write = write;
    this.#kept = { room: keep, records: [] };
    this.#fields = {};
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
    return new Child(this, fields);
  }

  /** The newest records, oldest first. */
  recent(): readonly LogRecord[] {
    return this.#kept.records.slice();
  }

  #record(level: Level, message: string, fields: Fields = this.#fields): void {
    if (LEVELS.indexOf(level) < this.#least) return;
    const record: LogRecord = { time: Date.now(), level, message, fields };
    const { records, room } = this.#kept;
    if (room > 0) {
      if (records.length >= room) records.splice(0, records.length - room + 1);
      records.push(record);
    }
    this.#write(format(record));
  }
}

class Child extends Logger {
  readonly name = 'console';
  readonly #parent: Logger;
  readonly #fields: Fields;

  constructor(parent: Logger, fields: Fields) {
    super();
    this.#parent = parent;
    this.#fields = fields;
  }

  debug(message: string, fields?: Fields): void {
    this.#parent.debug(message, { ...this.#fields, ...fields });
  }
  info(message: string, fields?: Fields): void {
    this.#parent.info(message, { ...this.#fields, ...fields });
  }
  warn(message: string, fields?: Fields): void {
    this.#parent.warn(message, { ...this.#fields, ...fields });
  }
  error(message: string, fields?: Fields): void {
    this.#parent.error(message, { ...this.#fields, ...fields });
  }
  child(fields: Fields): Logger {
    return new Child(this.#parent, { ...this.#fields, ...fields });
  }
}

interface Kept {
  readonly room: number;
  readonly records: LogRecord[];
}

function toStandardError(line: string): void {
  process.stderr.write(`${line}\n`);
}

function format({ time, level, message, fields }: LogRecord): string {
  let line = `${new Date(time).toISOString()} ${level.toUpperCase().padEnd(5)} ${oneLine(message)}`;
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined) line += ` ${name}=${text(value, level)}`;
  return line;
}

function text(value: unknown, level: Level): string {
  if (value instanceof Error) return oneLine(errorText(value, level));
  if (typeof value === 'string') return /[\s="]/.test(value) || value === '' ? quoted(value) : value;
  if (typeof value === 'object' && value !== null) return quoted(safeJson(value));
  return String(value);
}

function errorText(error: Error, level: Level): string {
  const code = error instanceof OctavoError ? `${error.code}: ` : '';
  const cause = error.cause instanceof Error ? ` (because ${errorText(error.cause, 'info')})` : '';
  return quoted(
    `${code}${level === 'error' && error.stack !== undefined ? error.stack : error.message}${cause}`,
  );
}

/** Strings are quoted as JSON, so that a line break in one cannot forge a line of the log. */
function quoted(value: string): string {
  return JSON.stringify(value.length > LONGEST ? `${value.slice(0, LONGEST)}...` : value);
}

function oneLine(message: string): string {
  return message.replaceAll(/[\r\n\u2028\u2029]/g, ' ');
}

function safeJson(value: object): string {
  try {
    return (
      JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? String(member) : member)) ??
      ''
    );
  } catch {
    return '[cyclic]';
  }
}
