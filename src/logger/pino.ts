import { inspect } from 'node:util';
import { OctavoError } from '../core/error.js';
import { LEVELS, Logger, type Fields, type Level } from '../core/logger.js';
import { peer } from '../core/peer.js';
import type { Provider } from '../core/provider.js';

export interface PinoOptions {
  /** The application's own pino, or a child of it. @defaultValue one is made */
  readonly instance?: PinoInstance;
  /** What pino is made with: `{ level: 'debug' }`, `redact`, `base`, `transport`, and what else it takes. @defaultValue pino's own */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Where the lines of the pino that is made go. @defaultValue standard output */
  readonly destination?: { write(line: string): void };
  /** Where the pino that is given has its errors. @defaultValue `'err'`, pino's own */
  readonly errorKey?: string;
}

/** A logger of pino's, as far as it is used here. */
export interface PinoInstance extends Readonly<Record<Level, (fields: object, message: string) => void>> {
  isLevelEnabled(level: string): boolean;
}

/** The text of a field that is longer is cut. */
const LONGEST = 2_048;

/** What ends a line for some reader of it, and is left as it is in JSON. */
const UNSAFE = /[\u0085\u2028\u2029]/g;

/** Writes records with a pino: one line of JSON for each, with an `error` under pino's key for errors and as its serializer has it. */
export class PinoLogger extends Logger {
  readonly name = 'pino';
  readonly #pino: PinoInstance;
  readonly #errorKey: string;
  /** Merged here and not in a child of pino's, which would write a name twice that a record has too. */
  readonly #fields: Fields;

  /** @throws `failed_precondition` for an instance that lacks one of the four levels */
  constructor(
    instance: PinoInstance,
    { errorKey = 'err' }: Pick<PinoOptions, 'errorKey'> = {},
    fields: Fields = {},
  ) {
    super();
    for (const level of LEVELS)
      if (typeof instance[level] !== 'function')
        throw new OctavoError(
          'failed_precondition',
          `the pino that was given has no level "${level}": leave out useOnlyCustomLevels, or add it to customLevels`,
        );
    this.#pino = instance;
    this.#errorKey = errorKey;
    this.#fields = fields;
  }

  debug(message: string, fields?: Fields): void {
    this.#write('debug', message, fields);
  }
  info(message: string, fields?: Fields): void {
    this.#write('info', message, fields);
  }
  warn(message: string, fields?: Fields): void {
    this.#write('warn', message, fields);
  }
  error(message: string, fields?: Fields): void {
    this.#write('error', message, fields);
  }

  child(fields: Fields): Logger {
    return new PinoLogger(
      this.#pino,
      { errorKey: this.#errorKey },
      { ...this.#fields, ...shown(fields, this.#errorKey) },
    );
  }

  #write(level: Level, message: string, own: Fields = {}): void {
    try {
      if (!this.#pino.isLevelEnabled(level)) return;
      const fields = { ...this.#fields, ...shown(own, this.#errorKey) };
      const text = message.replace(UNSAFE, ' ');
      try {
        this.#pino[level](fields, text);
      } catch {
        // A field that throws when it is looked at is written as far as it can be.
        this.#pino[level](texts(fields), text);
      }
    } catch {
      // Who logs has something else to do than to deal with a log that does not work.
    }
  }
}

/** Writes the log with pino. Needs `npm install pino`, unless an instance is given. */
export async function pino(options: PinoOptions = {}): Promise<Provider<Logger>> {
  const { instance, options: own = {}, destination, errorKey } = options;
  if (instance !== undefined && (options.options !== undefined || destination !== undefined))
    throw new OctavoError(
      'failed_precondition',
      'pino was given an instance, and what another would be made with: leave out "instance", or "options" and "destination"',
    );
  const made = instance ?? (await make(own, destination));
  const key = errorKey ?? (typeof own['errorKey'] === 'string' ? own['errorKey'] : undefined);
  return () => new PinoLogger(made, { ...(key !== undefined && { errorKey: key }) });
}

async function make(options: object, destination: PinoOptions['destination']): Promise<PinoInstance> {
  const { pino: create } = await peer('the pino logger', 'pino', () => import('pino'));
  // By its type pino could have a level `then`, which nobody may give back from here.
  const made: PinoInstance = destination === undefined ? create(options) : create(options, destination);
  return made;
}

/** The fields as pino is given them, each looked at once. */
function shown(fields: Fields, errorKey: string): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const key = name === 'error' ? errorKey : name.replace(UNSAFE, ' ');
    try {
      copy[key] = short(fields[name]);
    } catch {
      copy[key] = '[unreadable]';
    }
  }
  return copy;
}

function short(value: unknown): unknown {
  if (typeof value === 'string') {
    const text = value.replace(UNSAFE, ' ');
    return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
  }
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'symbol') return short(String(value));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  return value;
}

function texts(fields: Readonly<Record<string, unknown>>): Record<string, string> {
  const written: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields))
    try {
      const text = value instanceof Error ? `${value.name}: ${value.message}` : inspect(value);
      written[name] = String(short(text));
    } catch {
      written[name] = '[unreadable]';
    }
  return written;
}
