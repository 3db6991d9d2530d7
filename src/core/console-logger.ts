import { inspect } from 'node:util';
import { OctavoError } from './error.js';
import { LEVELS, Logger, type Fields, type Level, type LogRecord } from './logger.js';

export interface ConsoleLoggerOptions {
  /** The least level that is written. @defaultValue `'info'` */
  readonly level?: Level;
  /** Takes each line, without its end. @defaultValue writes to standard error */
  readonly write?: (line: string) => void;
  /** How many records {@link ConsoleLogger.recent} keeps. @defaultValue `1024` */
  readonly keep?: number;
}

/** A field's text longer than this is cut. */
const LONGEST = 2_048;

/** How many causes of an error are written: an error may be its own. */
const CAUSES = 5;

/** Writes records with the fields that it was made with. */
class LineLogger extends Logger {
  readonly name = 'console';
  readonly #output: Output;
  /** The fields of this logger and those it is a child of, the outermost first. */
  readonly #layers: readonly Fields[];

  constructor(output: Output, layers: readonly Fields[]) {
    super();
    this.#output = output;
    this.#layers = layers;
  }

  debug(message: string, fields?: Fields): void {
    this.#output.record('debug', message, this.#layers, fields);
  }
  info(message: string, fields?: Fields): void {
    this.#output.record('info', message, this.#layers, fields);
  }
  warn(message: string, fields?: Fields): void {
    this.#output.record('warn', message, this.#layers, fields);
  }
  error(message: string, fields?: Fields): void {
    this.#output.record('error', message, this.#layers, fields);
  }

  child(fields: Fields): Logger {
    return new LineLogger(this.#output, [...this.#layers, fields]);
  }
}

/** Writes one line of text for each record, and keeps the newest in memory for `Debug.Log`. */
export class ConsoleLogger extends LineLogger {
  readonly #output: Output;

  constructor(options: ConsoleLoggerOptions = {}) {
    const output = new Output(options);
    super(output, []);
    this.#output = output;
  }

  /** The newest records, oldest first, also those of children. Their fields are texts. */
  recent(): readonly LogRecord[] {
    return this.#output.kept.slice();
  }
}

/** Where the records of a logger and of its children go. */
class Output {
  readonly kept: LogRecord[] = [];
  readonly #least: number;
  readonly #write: (line: string) => void;
  readonly #room: number;

  constructor({ level = 'info', write = toStandardError, keep = 1_024 }: ConsoleLoggerOptions) {
    this.#least = LEVELS.indexOf(level);
    this.#write = write;
    this.#room = keep;
  }

  record(level: Level, message: string, layers: readonly Fields[], own: Fields = {}): void {
    if (LEVELS.indexOf(level) < this.#least) return;
    try {
      const record = { time: Date.now(), level, message, fields: texts([...layers, own], level) };
      if (this.kept.length >= this.#room) this.kept.splice(0, this.kept.length - this.#room + 1);
      if (this.#room > 0) this.kept.push(record);
      this.#write(format(record));
    } catch {
      // Who logs has something else to do than to deal with a log that does not work.
    }
  }
}

/** The fields as they are written, so that what is kept neither changes nor keeps anything else. */
function texts(layers: readonly Fields[], level: Level): Readonly<Record<string, string>> {
  const fields = new Map<string, string>();
  for (const layer of layers)
    for (const name of Object.keys(layer)) {
      const value = text(layer, name, level);
      if (value === undefined) fields.delete(name);
      else fields.set(name, value.length > LONGEST ? `${value.slice(0, LONGEST)}...` : value);
    }
  return Object.fromEntries(fields);
}

function text(fields: Fields, name: string, level: Level): string | undefined {
  try {
    const value = fields[name];
    if (value === undefined || typeof value === 'string') return value;
    if (value instanceof Error) return errorText(value, level);
    return inspect(value, { breakLength: Infinity, maxStringLength: LONGEST });
  } catch {
    return '[unreadable]';
  }
}

function errorText(error: Error, level: Level, causes = CAUSES): string {
  const code = error instanceof OctavoError ? `${error.code}: ` : '';
  const cause =
    error.cause instanceof Error && causes > 0
      ? ` (because ${errorText(error.cause, 'info', causes - 1)})`
      : '';
  return `${code}${level === 'error' && error.stack !== undefined ? error.stack : error.message}${cause}`;
}

function format({ time, level, message, fields }: LogRecord): string {
  let line = `${new Date(time).toISOString()} ${level.toUpperCase().padEnd(5)} `;
  line += message.replaceAll(UNSAFE, ' ');
  for (const [name, value] of Object.entries(fields)) line += ` ${shown(name)}=${shown(String(value))}`;
  return line;
}

/** What could end a line, move a terminal's cursor or turn its text round: the record of a peer's doing could forge another's. */
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;
const PLAIN = /^[^\s="]+$/;

function shown(value: string): string {
  if (PLAIN.test(value) && value.search(UNSAFE) < 0) return value;
  // JSON leaves some of them as they are.
  return JSON.stringify(value).replaceAll(
    UNSAFE,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function toStandardError(line: string): void {
  process.stderr.write(`${line}\n`, ignoreFailure);
}

/** Whoever read our standard error may have gone, which ends the process unless somebody listens. */
function ignoreFailure(error?: Error | null): void {
  if (error) process.stderr.once('error', () => {});
}
