import assert from 'node:assert/strict';
import { LEVELS, type Logger } from '../../src/core/logger.js';
import type { Suite } from './conform.js';

/** A logger under test that takes every level, and the lines that it has written, or would write. */
export interface LoggerSubject {
  readonly logger: Logger;
  readonly lines: () => readonly string[];
}

/** An object that throws when its member is read. */
const TRAP = {
  get trap(): string {
    throw new Error('do not look');
  },
};

function cyclic(): object {
  const self: { self?: unknown } = {};
  return Object.assign(self, { self });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** An error that is its own cause. */
function selfCaused(): Error {
  const error = new Error('it was me');
  error.cause = error;
  return error;
}

const ODD = {
  'a bigint': 1n,
  nothing: undefined,
  null: null,
  'a symbol': Symbol('s'),
  'a function': () => {},
  'a date of no day': new Date(NaN),
  'an object without a prototype': Object.create(null) as unknown,
  'an object that cannot be text': {
    toString() {
      throw new Error('no');
    },
    toJSON() {
      throw new Error('no');
    },
  },
  'one that holds itself': cyclic(),
  'a getter that throws': TRAP,
  'a proxy that was revoked': revoked(),
  'an error with a cause that holds itself': new Error('no', { cause: cyclic() }),
  'an error that caused itself': selfCaused(),
  'an error whose message throws': Object.defineProperty(new Error(), 'message', { get: () => TRAP.trap }),
  bytes: new Uint8Array(1_000),
};

/** The promises of `Logger`. */
export const loggerSuite = {
  'each level writes its message and fields': ({ logger, lines }) => {
    for (const level of LEVELS) logger[level](`a message of ${level}`, { answer: 42 });
    assert.equal(lines().length, 4);
    for (const [at, level] of LEVELS.entries()) {
      assert.ok(lines()[at]?.includes(`a message of ${level}`));
      assert.match(lines()[at] ?? '', /answer\W+42/);
    }
  },
  'a child adds its fields, and a record’s own win': ({ logger, lines }) => {
    const child = logger.child({ service: 'greeter', attempt: 1 }).child({ endpoint: 'hello' });
    child.info('x', { attempt: 2 });
    assert.match(lines()[0] ?? '', /service\W+greeter/);
    assert.match(lines()[0] ?? '', /endpoint\W+hello/);
    assert.match(lines()[0] ?? '', /attempt\W+2/);
    assert.doesNotMatch(lines()[0] ?? '', /attempt\W+1/);
  },
  'a child keeps to itself: neither its parent nor another child has its fields': ({ logger, lines }) => {
    const one = logger.child({ one: 'first' });
    const other = logger.child({ other: 'second' });
    for (const each of [logger, one, other]) each.info('x');
    assert.deepEqual(
      lines().map((line) => [line.includes('first'), line.includes('second')]),
      [
        [false, false],
        [true, false],
        [false, true],
      ],
    );
  },
  'a line break in a message, or in the name or value of a field, forges no line': ({ logger, lines }) => {
    for (const end of ['\n', '\r\n', '\r', '\u2028', '\u2029', '\u0085'])
      logger.info(`one${end}two`, { field: `four${end}five`, [`na${end}me`]: Symbol(`six${end}seven`) });
    assert.equal(lines().length, 6);
    for (const line of lines()) assert.doesNotMatch(line, /[\r\n\u2028\u2029\u0085]/);
  },
  'no field makes it throw': ({ logger, lines }) => {
    for (const [name, field] of Object.entries(ODD)) {
      logger.error(name, { field, nested: { field } });
      logger.child({ field }).error(name);
    }
    logger.error('a getter', TRAP);
    logger.child(TRAP).error('a getter of a child');
    assert.equal(lines().length, 2 * Object.keys(ODD).length + 2);
  },
  'an error is written with its message': ({ logger, lines }) => {
    logger.warn('x', { error: new Error('the reason', { cause: new Error('the cause') }) });
    assert.match(lines()[0] ?? '', /the reason/);
  },
} satisfies Suite<LoggerSubject>;
