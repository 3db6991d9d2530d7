import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it, test } from 'node:test';
import { ConsoleLogger } from '../../src/core/console-logger.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { conform } from '../conformance/conform.js';
import { wrapped } from '../support/wrapped.js';
import { loggerSuite, type LoggerSubject } from '../conformance/logger.js';

describe('ConsoleLogger', () => {
  conform<LoggerSubject, typeof loggerSuite>(test, loggerSuite, () => {
    const lines: string[] = [];
    return {
      logger: new ConsoleLogger({ level: 'debug', write: (line) => lines.push(line) }),
      lines: () => lines,
    };
  });

  it('leaves out what is below its level', () => {
    const lines: string[] = [];
    const logger = new ConsoleLogger({ level: 'warn', write: (line) => lines.push(line) });
    logger.info('no');
    logger.warn('yes');
    assert.equal(lines.length, 1);
  });

  it('keeps the newest records, also those of its children, and no more than it is told', () => {
    const logger = new ConsoleLogger({ write: () => {}, keep: 3 });
    for (let n = 0; n < 5; n++) logger.child({ n }).info(`record ${n}`);
    assert.deepEqual(
      logger.recent().map(({ message }) => message),
      ['record 2', 'record 3', 'record 4'],
    );
  });

  it('cuts a field that is very long', () => {
    const lines: string[] = [];
    new ConsoleLogger({ write: (line) => lines.push(line) }).info('x', { long: `a ${'b'.repeat(100_000)}` });
    assert.ok((lines[0]?.length ?? 0) < 4_000);
  });
});

describe('TestLogger', () => {
  conform<LoggerSubject, typeof loggerSuite>(test, loggerSuite, () => {
    const logger = new TestLogger();
    const lines = (): string[] =>
      logger.records.map(({ message, fields }) =>
        JSON.stringify(`${message} ${inspect(fields, { getters: false })}`),
      );
    return { logger, lines };
  });
});

describe('a wrapped ConsoleLogger', () => {
  conform<LoggerSubject, typeof loggerSuite>(test, loggerSuite, () => {
    const lines: string[] = [];
    const logger = new ConsoleLogger({ level: 'debug', write: (line) => lines.push(line) });
    return { logger: wrapped(logger), lines: () => lines };
  });
});
