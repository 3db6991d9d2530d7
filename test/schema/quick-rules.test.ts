import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  Allow,
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  Contains,
  Equals,
  IsArray,
  IsBoolean,
  IsDate,
  IsDefined,
  IsEmail,
  IsEmpty,
  IsIn,
  IsInstance,
  IsInt,
  IsNotEmpty,
  IsNotEmptyObject,
  IsNumber,
  IsObject,
  IsOptional,
  IsPositive,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  MaxDate,
  Min,
  MinLength,
  NotEquals,
  Validate,
  ValidateIf,
  ValidateNested,
  ValidatePromise,
  ValidatorConstraint,
  getMetadataStorage,
  registerDecorator,
  useContainer,
  validateSync,
} from 'class-validator';
import type { ValidationArguments, ValidationError, ValidatorConstraintInterface } from 'class-validator';
import fc from 'fast-check';

import { Field, MapField, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import type { FieldViolation } from '../../src/core/error.js';
import { OctavoError } from '../../src/core/error.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { quickRulesOf } from '../../src/schema/quick-rules.js';
import type { QuickRules } from '../../src/schema/quick-rules.js';
import { schemaOf } from '../../src/schema/schema.js';

function quick(type: MessageType, ...messages: string[]): QuickRules | undefined {
  return quickRulesOf(getMetadataStorage(), type, new Set(messages));
}

/** A rule that a class wrote itself: the arguments must be those of class-validator. */
@ValidatorConstraint({ name: 'shorterThan' })
class ShorterThan implements ValidatorConstraintInterface {
  validate(
    value: unknown,
    { object, property, targetName, constraints, ...rest }: ValidationArguments,
  ): boolean {
    assert.equal(rest.value, (object as Record<string, unknown>)[property]);
    assert.equal(targetName, object.constructor.name);
    return String(value).length < Number(constraints[0]);
  }
}

@ValidatorConstraint({ name: 'never', async: true })
class Never implements ValidatorConstraintInterface {
  async validate(): Promise<boolean> {
    return false;
  }
}

/** Without `async: true`; what it promises comes too late to count. */
@ValidatorConstraint({ name: 'later' })
class Later implements ValidatorConstraintInterface {
  validate(value: unknown): boolean | Promise<boolean> {
    return typeof value === 'string' ? Promise.resolve(false) : false;
  }
}

const rules: readonly (() => PropertyDecorator)[] = [
  () => Allow(),
  () => ArrayMaxSize(2),
  () => ArrayNotEmpty(),
  () => ArrayUnique(),
  () => Contains('a'),
  () => Equals(''),
  () => IsArray(),
  () => IsBoolean(),
  () => IsBoolean({ each: true }),
  () => IsDate(),
  () => IsDefined(),
  () => IsEmail(),
  () => IsEmpty(),
  () => IsIn(['', 'a', 1, null]),
  () => IsInstance(Map),
  () => IsInt({ each: true }),
  () => IsInt({ groups: ['some'] }),
  () => IsInt({ groups: ['some'], always: false }),
  () => IsNotEmpty(),
  () => IsNotEmptyObject(),
  () => IsNumber(),
  () => IsNumber({ allowNaN: true }, { each: true }),
  () => IsObject(),
  () => IsOptional(),
  () => IsOptional(),
  () => IsPositive(),
  () => IsString(),
  () => IsString({ each: true }),
  () => IsString({ message: 'no $property' }),
  () => IsUUID(),
  () => Length(0, 2),
  () => Length(1, 3, { each: true }),
  () => Matches(/^a*$/),
  () => Max(2),
  () => Max(2, { each: true, context: { code: 7 } }),
  () => MaxDate(new Date(5)),
  () => Min(1, { validateIf: (_, value) => value !== 0 }),
  () => MinLength(1),
  () => NotEquals(undefined),
  () => Validate(ShorterThan, [4]),
  () => Validate(ShorterThan, [4], { each: true }) as PropertyDecorator,
  () => Validate(Never),
  () => Validate(Later),
  () => ValidateIf((_, value) => value !== 'a'),
  () => ValidateIf((object: { b?: unknown }) => object.b !== undefined),
  () => ValidateNested(),
  () => own,
];

/** As packages of rules make theirs. */
function own(target: object, property: string | symbol): void {
  registerDecorator({
    name: 'own',
    target: target.constructor,
    propertyName: String(property),
    constraints: [],
    validator: { validate: (value: unknown) => value !== 'b' },
  });
}

const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(undefined, null, '', 'a', 'ab', 'abcd', 0, 1, 2.5, -1, 7n, true, false, Number.NaN),
  fc.constantFrom(new Date(3), new Date(9), new Map(), new Map([['a', 1]]), {}, Object.create(null)),
  fc.array(fc.constantFrom('a', 'abcd', 1, 5, null, undefined, true), { maxLength: 3 }),
  fc.constantFrom([, 1], new Set([1, 'a']), new Map([[1, 'abcdef']])), // oxlint-disable-line no-sparse-arrays
  fc.string({ maxLength: 5 }),
);

const properties = ['a', 'b', 'c'] as const;
const classes = fc.record(
  Object.fromEntries(properties.map((name) => [name, fc.subarray([...rules.keys()], { maxLength: 4 })])),
);

/** A class with these rules; some of the rules are on its base. */
function classWith(chosen: Readonly<Record<string, number[]>>): new () => object {
  class Base {}
  class Ruled extends Base {}
  for (const property of properties)
    for (const [at, index] of (chosen[property] ?? []).entries())
      rules[index]?.()(at % 3 === 2 ? Base.prototype : Ruled.prototype, property);
  return Ruled;
}

function found(errors: readonly ValidationError[]): FieldViolation[] {
  return errors.flatMap(({ property, constraints = {} }) =>
    Object.values(constraints).map((description) => ({ field: property, description })),
  );
}

function verdict(work: () => boolean): boolean | 'thrown' {
  try {
    return work();
  } catch {
    return 'thrown';
  }
}

describe('rules without class-validator', () => {
  it('give its verdict, whatever the rules and the values are', () => {
    let asked = 0;
    fc.assert(
      fc.property(
        classes,
        fc.array(fc.record({ a: value, b: value, c: value }, { requiredKeys: [] }), {
          minLength: 1,
          maxLength: 20,
        }),
        (chosen, values) => {
          const type = classWith(chosen);
          const keeps = quick(type, ...properties);
          if (!getMetadataStorage().getTargetValidationMetadatas(type, '', false, false).length) return;
          assert.ok(keeps, 'these kinds of rules are all known');
          for (const members of values) {
            asked++;
            const instance = Object.assign(new type(), members);
            // Of messages inside the message only this is asked here: whether they are objects.
            const expected = verdict(() => found(validateSync(instance)).length === 0);
            const given = verdict(() => keeps(instance));
            // Where a rule throws after another one was broken, class-validator is asked, and throws.
            if (expected !== 'thrown' || given !== false) assert.equal(given, expected);
          }
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(asked > 1_000);
  });

  it('leave classes with rules of other kinds to it', () => {
    class Promised {
      @ValidatePromise() a = '';
    }
    class Nested {
      @ValidateNested() a?: object;
    }
    assert.equal(quick(Promised), undefined);
    assert.equal(quick(Nested), undefined);
    assert.ok(quick(Nested, 'a'));
  });

  it('leave instances to it whose class is another', () => {
    class Base {
      @IsString() a = '';
    }
    class Derived extends Base {
      @MinLength(1) override a = '';
    }
    const keeps = quick(Base);
    assert.equal(keeps?.(new Base()), true);
    assert.equal(keeps?.(new Derived()), false);
  });

  it('leave constraints to it that its container makes anew for each use', (t) => {
    class Ruled {
      @Validate(ShorterThan, [4]) a = '';
    }
    useContainer({ get: (type: new () => object) => new type() });
    t.after(() => useContainer({ get: () => undefined }, { fallback: true }));
    assert.equal(quick(Ruled), undefined);
  });

  it('let through what a rule throws', () => {
    class Ruled {
      @ValidateIf(() => {
        throw new RangeError('of the rule');
      })
      a = '';
    }
    assert.throws(() => quick(Ruled)?.(new Ruled()), /^RangeError: of the rule$/);
    assert.throws(() => validateSync(new Ruled()), /^RangeError: of the rule$/);
  });
});

@Message('quick.Leaf')
class Leaf {
  @Field(1, 'int32') @Min(1) @Max(9) count = 0;
  @Field(2, 'string', { optional: true }) @IsOptional() @Length(2, 4) name?: string;
}

@Message('quick.Odd')
class Odd {
  @Field(1, 'string') @ValidatePromise() @Length(1, 4) name = '';
}

@Message('quick.Tree')
class Tree {
  @Field(1, Leaf) @ValidateNested() leaf?: Leaf;
  @Repeated(2, Leaf) @ArrayMaxSize(3) @ValidateNested({ each: true }) leaves: Leaf[] = [];
  @MapField(3, 'string', Leaf) named = new Map<string, Leaf>();
  @Repeated(4, () => Tree) trees: Tree[] = [];
  @Field(5, Odd) odd?: Odd;
}

interface Grown {
  leaf: Leaf;
  leaves: Leaf[];
  named: Map<string, Leaf>;
  trees: Tree[];
  odd: Odd;
}

/** Nine of ten keep the rules, so that some trees do. */
const leaf = fc.oneof(
  { weight: 9, arbitrary: leafOf(fc.integer({ min: 1, max: 9 }), fc.string({ minLength: 2, maxLength: 4 })) },
  leafOf(fc.integer({ min: 0, max: 10 }), fc.string({ maxLength: 5 })),
);

function leafOf(count: fc.Arbitrary<number>, name: fc.Arbitrary<string>): fc.Arbitrary<Leaf> {
  return fc
    .record({ count, name }, { requiredKeys: ['count'] })
    .map((members) => Object.assign(new Leaf(), members));
}

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc
    .record<Grown>(
      {
        leaf,
        leaves: fc.array(leaf, { maxLength: 4 }),
        named: fc
          .array(fc.tuple(fc.string({ maxLength: 2 }), leaf), { maxLength: 2 })
          .map((all) => new Map(all)),
        trees: fc.array(tie('tree') as fc.Arbitrary<Tree>, { maxLength: 2 }),
        odd: fc.string({ maxLength: 5 }).map((name) => Object.assign(new Odd(), { name })),
      },
      // fast-check's type of an empty set of required fields does not fit an interface.
      { requiredKeys: [] as never[] },
    )
    .map((members) => Object.assign(new Tree(), members)),
}));

/** What class-validator says about each message of a tree, without any of our ways. */
function expected(message: Tree, path = ''): FieldViolation[] {
  const inner: [string, object][] = [
    ...(message.leaf === undefined ? [] : [['leaf', message.leaf] as [string, object]]),
    ...message.leaves.map((each, at) => [`leaves[${at}]`, each] as [string, object]),
    ...[...message.named].map(([key, each]) => [`named[${JSON.stringify(key)}]`, each] as [string, object]),
  ];
  const of = (instance: object, at: string): FieldViolation[] =>
    found(validateSync(instance)).map(({ field, description }) => ({ field: `${at}${field}`, description }));
  return [
    ...of(message, path),
    ...inner.flatMap(([at, each]) => of(each, `${path}${at}.`)),
    ...message.trees.flatMap((each, at) => expected(each, `${path}trees[${at}].`)),
    ...(message.odd === undefined ? [] : of(message.odd, `${path}odd.`)),
  ];
}

describe('validating a tree of messages', () => {
  it('finds what class-validator finds in each of them', () => {
    let valid = 0;
    fc.assert(
      fc.property(tree, (message) => {
        const all = expected(message).slice(0, 100);
        if (all.length === 0) valid++;
        let violations: readonly FieldViolation[] = [];
        try {
          schemaOf(Tree).validate(message);
        } catch (reason) {
          assert.ok(reason instanceof OctavoError, String(reason));
          ({ violations } = reason);
        }
        assert.deepEqual(violations, all);
      }),
      { numRuns: 500 },
    );
    assert.ok(valid > 20, `${valid} of them kept the rules`);
  });
});
