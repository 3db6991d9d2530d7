import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { parseRabbitAddress, shownAddress } from '../../src/core/rabbitmq-address.js';
import { bytesOf, readTable, writeTable } from '../../src/core/rabbitmq-message.js';

describe('the address of a RabbitMQ server', () => {
  const forms: readonly [string, object][] = [
    ['rabbit.example', { host: 'rabbit.example', port: 5672, tls: false }],
    ['10.0.0.1:1234', { host: '10.0.0.1', port: 1234, tls: false }],
    ['amqp://h', { host: 'h', port: 5672, tls: false }],
    ['amqps://h', { host: 'h', port: 5671, tls: true }],
    ['amqp://h/', { host: 'h', port: 5672, tls: false }],
    ['amqp://h/%2F', { host: 'h', port: 5672, tls: false, vhost: '/' }],
    ['amqp://ada@h', { host: 'h', port: 5672, tls: false, user: 'ada' }],
    [
      'amqp://ada:a%40b:c@h:1/shop',
      { host: 'h', port: 1, tls: false, user: 'ada', pass: 'a@b:c', vhost: 'shop' },
    ],
    ['amqp://[::1]:1', { host: '::1', port: 1, tls: false }],
  ];
  for (const [address, parts] of forms)
    it(`may be ${address}`, () => assert.deepEqual(parseRabbitAddress(address), parts));

  it('is shown as it is dialled', () => {
    assert.equal(shownAddress(parseRabbitAddress('amqp://ada:secret@[::1]:1')), '[::1]:1');
    assert.equal(shownAddress(parseRabbitAddress('amqps://ada:secret@h')), 'h:5671');
  });

  it('is refused where it is none, without what stands before the @', () => {
    for (const wrong of [
      '',
      'http://h',
      'h:x',
      'amqp://',
      'a b',
      'amqp://h/a/b',
      '::1',
      'amqp://%ZZ:hunter2@h',
    ])
      assert.throws(
        () => parseRabbitAddress(wrong),
        (reason) =>
          reason instanceof OctavoError &&
          reason.code === 'invalid_argument' &&
          !/hunter2/.test(reason.message),
        wrong,
      );
  });

  it('is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseRabbitAddress(text);
        } catch (reason) {
          assert.ok(reason instanceof OctavoError && reason.code === 'invalid_argument');
        }
      }),
    );
  });
});

describe('the header of an AMQP message', () => {
  it('is one text for each name, and go-micro’s id as it spells it', () => {
    const header = new Metadata({ 'micro-id': '7', A: ['1', '2'], __proto__x: 'y' });
    header.append('__proto__', 'z');
    assert.deepEqual(Object.entries(writeTable(header)), [
      ['Micro-ID', '7'],
      ['A', '1, 2'],
      ['__proto__x', 'y'],
      ['__proto__', 'z'],
    ]);
  });

  it('has no name that AMQP would cut off', () => {
    assert.throws(
      () => writeTable(new Metadata([['é'.repeat(128), 'x']])),
      /takes 256 bytes: AMQP has room for 255/,
    );
    writeTable(new Metadata([['é'.repeat(127), 'x']]));
  });

  it('is read as far as it is text, or was meant as such', () => {
    const table = {
      a: 'b',
      n: 1.5,
      yes: true,
      none: null,
      list: ['x'],
      table: { y: 'z' },
      bytes: Buffer.from('x'),
    };
    assert.deepEqual(readTable(table), [
      ['a', 'b'],
      ['n', '1.5'],
      ['yes', 'true'],
    ]);
    assert.deepEqual(readTable(), []);
  });
});

describe('the body of an AMQP message', () => {
  it('is bytes, whatever the library makes of it', () => {
    for (const [body, text] of [
      [Buffer.from('x'), 'x'],
      ['é', 'é'],
      [{ a: 1 }, '{"a":1}'],
      [null, 'null'],
      [undefined, ''],
    ] as const)
      assert.equal(bytesOf(body).toString(), text);
  });
});
