import { IsEmail, IsOptional, Length, Max, Min, ValidateNested } from 'class-validator';
import { Field, MapField, Message, Repeated, type Duration, type MessageType } from '../src/index.js';
import { HelloReply, HelloRequest, SumReply, Tick } from '../samples/greeter/contract.js';

const NAME = 'somebody with a name of size';

/** One message whose encoding, decoding and validation are measured. */
export interface Subject {
  readonly name: string;
  readonly type: MessageType;
  readonly message: object;
}

@Message('bench.Line')
export class Line {
  @Field(1, 'string') @Length(1, 40) product = '';
  @Field(2, 'int32') @Min(1) @Max(1_000) count = 0;
  @Field(3, 'double') price = 0;
  @Field(4, 'bool') gift = false;
}

/** What a call carries: about 100 bytes with one line, 10 KB with 240 lines. */
@Message('bench.Order')
export class Order {
  @Field(1, 'int64') id = 0n;
  @Field(2, 'string') @Length(1, 64) customer = '';
  @Field(3, 'string', { optional: true }) @IsOptional() @IsEmail() mail?: string;
  @Field(4, 'google.protobuf.Timestamp') at?: Date;
  @Repeated(5, Line) @ValidateNested({ each: true }) lines: Line[] = [];
}

@Message('bench.Numbers')
export class Numbers {
  @Field(1, 'double') double = 0;
  @Field(2, 'float') float = 0;
  @Field(3, 'int32') int32 = 0;
  @Field(4, 'int64') int64 = 0n;
  @Field(5, 'uint32') uint32 = 0;
  @Field(6, 'uint64') uint64 = 0n;
  @Field(7, 'sint32') sint32 = 0;
  @Field(8, 'sint64') sint64 = 0n;
  @Field(9, 'fixed32') fixed32 = 0;
  @Field(10, 'fixed64') fixed64 = 0n;
  @Field(11, 'bool') bool = false;
  @Field(12, 'bytes') bytes = new Uint8Array();
}

@Message('bench.Collections')
export class Collections {
  @Repeated(1, 'int32') numbers: number[] = [];
  @Repeated(2, 'double') doubles: number[] = [];
  @Repeated(3, 'string') texts: string[] = [];
  @MapField(4, 'string', 'int32') counts = new Map<string, number>();
  @MapField(5, 'int32', 'string') names = new Map<number, string>();
  @Field(6, 'google.protobuf.Duration') span?: Duration;
}

function order(lines: number): object {
  return {
    id: 1_234_567_890_123n,
    customer: 'Ada Lovelace',
    mail: 'ada@example.org',
    at: new Date('2026-01-31T12:00:00Z'),
    lines: Array.from({ length: lines }, (_, at) => ({
      product: `a thing of brass, no. ${at}`,
      count: at + 1,
      price: 12.5 * (at + 1),
      gift: at % 2 === 0,
    })),
  };
}

/** Plain objects, as handlers return them. */
export const subjects: readonly Subject[] = [
  { name: 'hello', type: HelloRequest, message: { name: NAME } },
  { name: 'reply', type: HelloReply, message: { message: `Hello ${NAME}` } },
  { name: 'tick', type: Tick, message: { value: 300 } },
  { name: 'sum', type: SumReply, message: { total: 123_456_789_012n } },
  { name: 'umlauts', type: HelloReply, message: { message: 'Grüße aus Köln, schöne Straße' } },
  { name: 'text-1k', type: HelloReply, message: { message: 'abcdefghij'.repeat(100) } },
  { name: 'order-100', type: Order, message: order(1) },
  { name: 'order-10k', type: Order, message: order(240) },
  {
    name: 'numbers',
    type: Numbers,
    message: {
      double: 3.25,
      float: 1.5,
      int32: 70_000,
      int64: 5_000_000_000n,
      uint32: 4_000_000_000,
      uint64: 2n ** 63n,
      sint32: -5,
      sint64: -70_000n,
      fixed32: 7,
      fixed64: 2n ** 60n,
      bool: true,
      bytes: new Uint8Array(20).fill(7),
    },
  },
  {
    name: 'collections',
    type: Collections,
    message: {
      numbers: Array.from({ length: 50 }, (_, at) => at * 7),
      doubles: Array.from({ length: 20 }, (_, at) => at / 3),
      texts: ['one', 'two', 'three', 'four'],
      counts: new Map([
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ]),
      names: new Map([
        [1, 'one'],
        [2, 'two'],
      ]),
    },
  },
];
