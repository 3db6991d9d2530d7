import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, test } from 'node:test';
import { ConsoleLogger, type ConsoleLoggerOptions } from '../../src/core/console-logger.js';
import { OctavoError } from '../../src/core/error.js';
import type { Fields } from '../../src/core/logger.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { conform } from '../conformance/conform.js';
import { wrapped } from '../support/wrapped.js';
import { loggerSuite, type LoggerSubject } from '../conformance/logger.js';

/** A logger, and the lines that it has written. */
function written(options: ConsoleLoggerOptions = {}): { logger: ConsoleLogger; lines: string[] } {
  const lines: string[] = [];
  return { logger: new ConsoleLogger({ write: (line) => lines.push(line), ...options }), lines };
}

describe('ConsoleLogger', () => {
  conform<LoggerSubject, typeof loggerSuite>(test, loggerSuite, () => {
    const { logger, lines } = written({ level: 'debug' });
    return { logger, lines: () => lines };
  });

  it('leaves out what is below its level, also what children write', () => {
    const { logger, lines } = written({ level: 'warn' });
    logger.info('no');
    logger.child({ a: 1 }).debug('no');
    logger.warn('yes');
    logger.child({ a: 1 }).error('yes');
    assert.equal(lines.length, 2);
    assert.equal(logger.recent().length, 2);
  });

  it('writes time, level, message and fields on one line', () => {
    const { logger, lines } = written();
    logger.child({ service: 'greeter' }).info('hello', { name: 'Ada L.', count: 2, nothing: undefined });
    assert.match(
      lines[0] ?? '',
      /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO {2}hello service=greeter name="Ada L\." count=2$/,
    );
  });

  it('writes an error with its code and causes, and its stack at level error only', () => {
    const { logger, lines } = written();
    const cause = new Error('the cause', { cause: new Error('the cause of that') });
    const error = new OctavoError('unavailable', 'the reason', { cause });
    logger.warn('x', { error });
    logger.error('x', { error });
    for (const line of lines)
      assert.match(line, /unavailable: .*the reason.*because the cause \(because the cause of that\)/);
    assert.deepEqual(
      lines.map((line) => line.includes('logger.test')),
      [false, true],
    );
  });

  it('shows what would move a terminal’s cursor or turn its text round, and does not pass it on', () => {
    const { logger, lines } = written();
    for (const unit of ['\x1b[2K', '\x07', '\x9b1A', '\x7f', '\u202e', '\0'])
      logger.info(`message${unit}`, { field: unit, [`name${unit}`]: { deep: unit }, error: new Error(unit) });
    // oxlint-disable-next-line no-control-regex
    for (const line of lines) assert.doesNotMatch(line, /[\0-\x1f\x7f-\x9f\u202e]/);
    assert.match(lines[0] ?? '', /field="\\u001b\[2K"/);
  });

  it('keeps the newest records, also those of its children, and no more than it is told', () => {
    const { logger } = written({ keep: 3 });
    for (let n = 0; n < 5; n++) logger.child({ n }).info(`record ${n}`);
    assert.deepEqual(
      logger.recent().map(({ message, fields }) => [message, fields]),
      [
        ['record 2', { n: '2' }],
        ['record 3', { n: '3' }],
        ['record 4', { n: '4' }],
      ],
    );
    const forgetful = written({ keep: 0 });
    forgetful.logger.info('x');
    assert.deepEqual(forgetful.logger.recent(), []);
  });

  it('keeps what was written, whatever becomes of the fields', () => {
    const { logger } = written();
    const state = { is: 'before' };
    logger.info('x', { state });
    state.is = 'after';
    assert.deepEqual(logger.recent()[0]?.fields, { state: "{ is: 'before' }" });
  });

  it('cuts a field that is very long, in one word or many, and bytes', () => {
    const word = 'b'.repeat(100_000);
    for (const long of [word, `a ${word}`, new Uint8Array(1_000_000), new Error(word)]) {
      const { logger, lines } = written();
      logger.info('x', { long });
      assert.ok((lines[0]?.length ?? Infinity) < 5_000);
    }
  });

  it('takes names such as __proto__ for names', () => {
    const { logger, lines } = written();
    logger.info('x', JSON.parse('{"__proto__":"y"}') as Fields);
    assert.match(lines[0] ?? '', / __proto__=y$/);
  });

  it('does not throw when its output does', () => {
    const logger = new ConsoleLogger({
      write() {
        throw new Error('the disk is full');
      },
    });
    logger.info('x');
    assert.equal(logger.recent().length, 1);
  });

  it('does not end the process when nobody reads standard error any more', async () => {
    const module = new URL('../../src/core/console-logger.js', import.meta.url).href;
    const script = `
      import { once } from 'node:events';
      import { ConsoleLogger } from '${module}';
      await once(process.stdin, 'data');
      const logger = new ConsoleLogger();
      for (let n = 0; n < 10; n++) {
        logger.info('x'.repeat(100));
        await new Promise((resolve) => setImmediate(resolve));
      }
      process.exit(42);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' });
    child.stderr.destroy();
    child.stdin.write('go');
    const [code] = await once(child, 'exit');
    assert.equal(code, 42);
  });
});

describe('TestLogger', () => {
  conform<LoggerSubject, typeof loggerSuite>(test, loggerSuite, () => {
    const logger = new TestLogger();
    const lines = (): string[] => {
      const shown = written({ level: 'debug' });
      for (const { level, message, fields } of logger.records) shown.logger[level](message, fields);
      return shown.lines;
    };
    return { logger, lines };
  });
});

describe('a wrapped ConsoleLogger', () => {
  conform<LoggerSubject, typeof loggerSuite>(test, loggerSuite, () => {
    const { logger, lines } = written({ level: 'debug' });
    return { logger: wrapped(logger), lines: () => lines };
  });
});
