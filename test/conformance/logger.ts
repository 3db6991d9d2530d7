import assert from 'node:assert/strict';
import { LEVELS, type Logger } from '../../src/core/logger.js';
import type { Suite } from './conform.js';

/** A logger under test that takes every level, and the lines that it has written, or would write. */
export interface LoggerSubject {
  readonly logger: Logger;
  readonly lines: () => readonly string[];
}

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
  'a line break in a message or a field forges no line': ({ logger, lines }) => {
    logger.info('one\ntwo\r\nthree', { field: 'four\nfive' });
    assert.equal(lines().length, 1);
    assert.doesNotMatch(lines()[0] ?? '', /[\r\n]/);
  },
  'no field makes it throw': ({ logger, lines }) => {
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    const throwing = {
      get trap(): string {
        throw new Error('do not look');
      },
    };
    const odd = {
      big: 1n,
      nothing: undefined,
      none: null,
      symbol: Symbol('s'),
      run() {},
      date: new Date(NaN),
    };
    logger.error('x', {
      cyclic,
      throwing,
      odd,
      error: new Error('no', { cause: cyclic }),
      bytes: new Uint8Array(3),
    });
    assert.equal(lines().length, 1);
  },
  'an error is written with its message': ({ logger, lines }) => {
    logger.warn('x', { error: new Error('the reason', { cause: new Error('the cause') }) });
    assert.match(lines()[0] ?? '', /the reason/);
  },
} satisfies Suite<LoggerSubject>;
