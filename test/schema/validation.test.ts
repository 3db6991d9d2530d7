import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

import { IsEmail, Length, Max, Min, ValidateNested } from 'class-validator';

import { Field, MapField, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { schemaOf } from '../../src/schema/schema.js';
import { refused } from './refused.js';
import { Choices, Scalars } from './sample-messages.js';

@Message('rules.Line')
class Line {
  @Field(1, 'int32') @Min(1) @Max(10) count = 0;
}

@Message('rules.Wrap')
class Wrap {
  @Field(1, Line) line?: Line;
  @Field(2, () => Wrap) wrap?: Wrap;
}

@Message('rules.Order')
class Order {
  @Field(1, 'string') @Length(1, 5) name = '';
  @Repeated(2, Line) lines: Line[] = [];
  @MapField(3, 'string', Line) named = new Map<string, Line>();
  @Field(4, Wrap) wrap?: Wrap;
  @Field(5, Line) @ValidateNested() first?: Line;
  @Field(6, Scalars) @ValidateNested() free?: Scalars;
  @Repeated(7, Line) @ValidateNested({ each: true }) checked: Line[] = [];
}

@Message('rules.Express')
class Express extends Order {
  @Field(10, 'string', { optional: true }) @IsEmail() mail?: string;
}

function violations(work: () => unknown): string[] {
  return refused(work, /./).violations.map(({ field, description }) => `${field}: ${description}`);
}

const { validate, fromJson, encode, decode } = schemaOf(Order);

describe('validating', () => {
  it('passes what keeps the rules', () => {
    validate(
      fromJson({ name: 'Ada', lines: [{ count: 1 }], named: { a: { count: 10 } }, first: { count: 5 } }),
    );
  });

  it('names the field and what is wrong with it', () =>
    assert.deepEqual(
      violations(() => validate(fromJson({}))),
      ['name: name must be longer than or equal to 1 characters'],
    ));

  it('says the first and how many more in the message', () => {
    refused(
      () => validate(fromJson({ name: 'Johannes', lines: [{}, {}] })),
      'rules.Order.name: name must be shorter than or equal to 5 characters (and 2 more)',
    );
  });

  it('looks into messages, lists and maps, with or without @ValidateNested, and reports each once', () => {
    const order = fromJson({
      name: 'Ada',
      lines: [{ count: 1 }, { count: 11 }],
      named: { 'a b': { count: -1 } },
      wrap: { wrap: { wrap: { line: {} } } },
      first: {},
      checked: [{ count: 5 }, {}],
      free: {},
    });
    assert.deepEqual(
      violations(() => validate(order)),
      [
        'lines[1].count: count must not be greater than 10',
        'named["a b"].count: count must not be less than 1',
        'wrap.wrap.wrap.line.count: count must not be less than 1',
        'first.count: count must not be less than 1',
        'checked[1].count: count must not be less than 1',
      ],
    );
  });

  it('checks decoded messages', () => {
    refused(
      () => validate(decode(encode({ name: 'Ada', lines: [{}] }))),
      /^rules\.Order\.lines\[0\]\.count: /,
    );
  });

  it('checks plain objects as well', () => {
    const plain = { name: '', lines: [{ count: 0 }] } as unknown as Order;
    assert.deepEqual(
      violations(() => validate(plain)).map((line) => line.split(':')[0]),
      ['name', 'lines[0].count'],
    );
  });

  it('has the rules of the base class', () => {
    const express = Object.assign(new Express(), { name: '', mail: 'x' });
    assert.deepEqual(
      violations(() => schemaOf(Express).validate(express)).map((line) => line.split(':')[0]),
      ['mail', 'name'],
    );
  });

  it('passes messages without rules, of whatever depth', () => {
    schemaOf(Choices).validate(new Choices());
    schemaOf(Wrap).validate(schemaOf(Wrap).fromJson({ wrap: { wrap: {} } }));
  });

  it('checks 100,000 messages at most', () => {
    const order = decode(encode({ name: 'Ada', lines: [{ count: 1 }] }));
    const [line = new Line()] = order.lines;
    // With the order itself one too many.
    order.lines = Array.from({ length: 100_000 }, () => line);
    refused(() => validate(order), 'rules.Order: more than 100000 messages with rules in one message');
    order.lines.pop();
    validate(order);
  });

  it('lists 100 violations at most', () => {
    const lines = Array.from({ length: 1_000 }, () => ({}));
    assert.equal(violations(() => validate(fromJson({ name: 'Ada', lines }))).length, 100);
  });

  it('refuses a message that contains itself', () => {
    const wrap = new Wrap();
    wrap.wrap = wrap;
    wrap.line = Object.assign(new Line(), { count: 1 });
    refused(() => schemaOf(Wrap).validate(wrap), /more than 100 messages inside each other$/);
  });

  it('does not load class-validator for messages without rules', () => {
    const script = `
      import { schemaOf } from '${new URL('../../src/schema/schema.js', import.meta.url).href}';
      import { samples } from '${new URL('./sample-messages.js', import.meta.url).href}';
      import { createRequire } from 'node:module';
      for (const type of samples) schemaOf(type).validate(schemaOf(type).decode(new Uint8Array()));
      const require = createRequire('${import.meta.url}');
      process.stdout.write(String(Object.keys(require.cache).filter((path) => path.includes('class-validator')).length));
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(stdout.toString(), '0', stderr.toString());
  });
});
