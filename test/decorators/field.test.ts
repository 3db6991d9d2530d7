import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Length } from 'class-validator';

import { Field, MapField, OneOf, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { declarationOf } from '../../src/schema/declaration.js';
import type { Init } from '../../src/schema/message-type.js';
import { protoEnum } from '../../src/schema/proto-enum.js';
import type { EnumValue } from '../../src/schema/proto-enum.js';
import { schemaOf } from '../../src/schema/schema.js';
import { refused } from '../schema/refused.js';

const Color = protoEnum('greeter.Color', { RED: 0, GREEN: 1 });
type ColorValue = EnumValue<typeof Color>;

@Message('greeter.Address')
class Address {
  @Field(1, 'string') street = '';
}

@Message('greeter.HelloRequest')
class HelloRequest {
  @Field(1, 'string') @Length(1, 64) name = '';
  @Field(2, 'int64') id = 0n;
  @Field(3, 'int32', { optional: true }) age?: number;
  @Field(4, () => Address) address?: Address;
  @Repeated(5, 'string') tags: string[] = [];
  @MapField(6, 'string', 'int32') counts = new Map<string, number>();
  @OneOf('contact') @Field(7, 'string') email?: string;
  @OneOf('contact') @Field(8, 'string') phone?: string;
  @Field(9, Color) color: ColorValue = 0;
  @Field(10, 'google.protobuf.Timestamp') at?: Date;
  @Field(11, 'bytes') blob = new Uint8Array();

  greeting(): string {
    return `Hello ${this.name}`;
  }
}

const request: Init<HelloRequest> = {
  name: 'Ada',
  id: 5n,
  address: { street: 'Main' },
  tags: ['a'],
  counts: { x: 1 },
  phone: '1',
  color: Color.GREEN,
  at: new Date(0),
  blob: Buffer.from('b'),
};

describe('the decorators of fields', () => {
  it('make a class whose instances come from bytes', () => {
    const { encode, decode, validate } = schemaOf(HelloRequest);
    const read = decode(encode(request));
    assert.ok(read instanceof HelloRequest);
    assert.equal(read.greeting(), 'Hello Ada');
    assert.equal(read.address?.street, 'Main');
    assert.deepEqual(read.counts, new Map([['x', 1]]));
    assert.equal(read.age, undefined);
    validate(read);
  });

  it('take an instance where a plain object will do', () =>
    assert.deepEqual(
      schemaOf(HelloRequest).encode(schemaOf(HelloRequest).decode(schemaOf(HelloRequest).encode(request))),
      schemaOf(HelloRequest).encode(request),
    ));

  it('record what is written, in its order', () => {
    const declaration = declarationOf(HelloRequest);
    assert.deepEqual(
      declaration?.fields.map(({ id, property, label }) => [id, property, label]).slice(2, 6),
      [
        [3, 'age', 'single'],
        [4, 'address', 'single'],
        [5, 'tags', 'repeated'],
        [6, 'counts', 'map'],
      ],
    );
    assert.deepEqual(
      [...(declaration?.oneofs ?? [])],
      [
        ['email', 'contact'],
        ['phone', 'contact'],
      ],
    );
  });

  it('refuse a static property', () =>
    void refused(
      () => {
        class Wrong {
          @Field(1, 'string') static text: string = '';
        }
        return Wrong;
      },
      /^Wrong\.text: a field belongs to each message; remove "static"$/,
      'failed_precondition',
    ));

  for (const define of [true, false])
    it(`work with useDefineForClassFields ${define}`, () => assert.equal(compileAndRun(define), EXPECTED));
});

const EXPECTED = '{"name":"Ada","address":{"street":"x"},"tags":["a"],"phone":"","counts":{"k":1}} true';

/** Compiles a module of a user with the setting, runs it, and returns what it printed. */
function compileAndRun(define: boolean): string {
  const up = fileURLToPath(new URL('../../', import.meta.url));
  // Inside the build, so that the packages are found.
  const folder = mkdtempSync(join(up, 'define-'));
  try {
    writeFileSync(join(folder, 'user.mts'), USER);
    const options =
      '--ignoreConfig --target es2022 --module nodenext --types node --strict --skipLibCheck ' +
      `--experimentalDecorators --emitDecoratorMetadata --useDefineForClassFields ${define}`;
    const compiler = join(
      dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
      'bin/tsc',
    );
    const compiled = spawnSync(process.execPath, [compiler, ...options.split(' '), join(folder, 'user.mts')]);
    assert.equal(compiled.status, 0, compiled.stdout.toString());
    const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'user.mjs')]);
    assert.equal(stderr.toString(), '');
    return stdout.toString();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const USER = `
import { Field, MapField, OneOf, Repeated } from '../decorators/field.js';
import { Message } from '../decorators/message.js';
import { schemaOf } from '../src/schema/schema.js';

@Message('user.Address')
class Address {
  @Field(1, 'string') street = '';
}
@Message('user.Base')
class Base {
  @Field(1, 'string') name = '';
  @Field(2, Address) address?: Address;
}
@Message('user.Hello')
class Hello extends Base {
  @Repeated(3, 'string') tags: string[] = [];
  @OneOf('contact') @Field(4, 'string') phone?: string;
  @MapField(5, 'string', 'int32') counts = new Map<string, number>();
}
const { encode, decode, toJson } = schemaOf(Hello);
const read = decode(encode({ name: 'Ada', address: { street: 'x' }, tags: ['a'], phone: '', counts: { k: 1 } }));
process.stdout.write(JSON.stringify(toJson(read)) + ' ' + (read.address instanceof Address));
`;
