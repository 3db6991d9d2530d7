import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { pino as createPino, type Logger as Pino } from 'pino';
import { OctavoError } from '../../src/core/error.js';
import type { Logger } from '../../src/core/logger.js';
import { pino, PinoLogger, type PinoOptions } from '../../src/logger/pino.js';
import { TestApp } from '../../src/testing/test-app.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { log } from '../../src/wrapper/log.js';
import { conform } from '../conformance/conform.js';
import { loggerSuite, type LoggerSubject } from '../conformance/logger.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { has } from '../support/wrapping.js';

const NOTHING = <T>(): T => assert.fail('nothing is resolved');

class Lines {
  readonly all: string[] = [];

  write(line: string): void {
    this.all.push(line.trimEnd());
  }

  get last(): Readonly<Record<string, unknown>> {
    return JSON.parse(this.all.at(-1) ?? '') as Record<string, unknown>;
  }
}

async function written(options: PinoOptions = {}): Promise<{ logger: Logger; lines: Lines }> {
  const lines = new Lines();
  const make = await pino({ destination: lines, ...options });
  return { logger: make(NOTHING), lines };
}

/** A pino of an application's own, whose lines stay here. */
function own(options: object = {}): { instance: Pino; lines: Lines } {
  const lines = new Lines();
  return { instance: createPino({ level: 'debug', ...options }, lines), lines };
}

describe('PinoLogger', () => {
  conform<LoggerSubject, typeof loggerSuite>(test, loggerSuite, async () => {
    const { logger, lines } = await written({ options: { level: 'debug' } });
    return { logger, lines: () => lines.all };
  });

  it('writes each level as pino’s, with the message and the fields', async () => {
    const { logger, lines } = await written({ options: { level: 'debug', base: null } });
    for (const level of ['debug', 'info', 'warn', 'error'] as const)
      logger.child({ service: 'greeter' })[level]('hello', { count: 2, nothing: undefined });
    assert.deepEqual(
      lines.all.map((line) => {
        const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
        assert.equal(typeof time, 'number');
        return rest;
      }),
      [20, 30, 40, 50].map((level) => ({ level, service: 'greeter', count: 2, msg: 'hello' })),
    );
  });

  it('writes an error under pino’s key, as pino’s serializer has it', async () => {
    const { logger, lines } = await written();
    const cause = new TypeError('the cause');
    logger.warn('x', { error: new OctavoError('unavailable', 'the reason', { cause }) });
    const err = lines.last['err'] as Record<string, unknown>;
    assert.deepEqual([err['type'], err['code']], ['OctavoError', 'unavailable']);
    assert.equal(err['message'], 'the reason: the cause');
    assert.match(String(err['stack']), /pino\.test.*caused by: TypeError/s);
    assert.equal(lines.last['error'], undefined);
  });

  it('writes it where that pino has its errors', async () => {
    const { logger, lines } = await written({ options: { errorKey: 'failure' } });
    logger.child({ error: new Error('of a child') }).warn('x');
    assert.equal((lines.last['failure'] as { message: string }).message, 'of a child');
    const { instance, lines: theirs } = own({ errorKey: 'problem' });
    const make = await pino({ instance, errorKey: 'problem' });
    make(NOTHING).warn('x', { error: new Error('of theirs') });
    assert.equal((theirs.last['problem'] as { message: string }).message, 'of theirs');
  });

  it('writes by the application’s own pino, with what that adds and what it redacts', async () => {
    const { instance, lines } = own({ base: { app: 'shop' }, redact: ['card', 'nested.card'] });
    const logger = (await pino({ instance: instance.child({ region: 'eu' }) }))(NOTHING);
    logger.info('x', { card: '4111', nested: { card: '4111' } });
    const { app, region, card, nested } = lines.last;
    assert.deepEqual([app, region, card, nested], ['shop', 'eu', '[Redacted]', { card: '[Redacted]' }]);
  });

  it('looks at no field of a record that is below the level', async () => {
    const { logger, lines } = await written({ options: { level: 'warn' } });
    logger.info('x', {
      get field(): string {
        return assert.fail('looked at');
      },
    });
    assert.deepEqual(lines.all, []);
  });

  it('cuts what is too long, and writes bytes as their number', async () => {
    const { logger, lines } = await written();
    logger.info('x', { text: 'a'.repeat(100_000), bytes: new Uint8Array(100_000), big: 1n });
    assert.ok((lines.all[0]?.length ?? 0) < 3_000);
    assert.deepEqual([lines.last['bytes'], lines.last['big']], ['[100000 bytes]', '1']);
  });

  it('outlives a destination that fails', () => {
    const failing = { write: () => assert.fail('the disk is full') };
    new PinoLogger(createPino(failing)).info('x');
  });

  it('refuses a pino that lacks a level, and an instance with what another would be made with', async () => {
    const { instance } = own({ level: 'info', customLevels: { info: 30 }, useOnlyCustomLevels: true });
    assert.throws(() => new PinoLogger(instance), has('failed_precondition'));
    await assert.rejects(pino({ instance: own().instance, options: {} }), has('failed_precondition'));
  });

  it('is an app’s logger: the log wrapper’s lines are pino’s', async () => {
    const { instance, lines } = own();
    await using app = await TestApp.create({
      services: [Probe],
      logger: await pino({ instance }),
      server: rpcServer({ wrappers: [log()] }),
    }).start();
    await assert.rejects(app.client(ProbeClient).fail({ text: 'x' }), has('not_found'));
    const { msg, level, service, endpoint, code, reason } = lines.last;
    assert.deepEqual(
      [msg, level, service, endpoint, code, reason],
      ['call', 30, 'probe', 'Probe.Fail', 'not_found', 'no x'],
    );
  });
});
