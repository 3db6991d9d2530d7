import { Field, MapField, OneOf, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { Any } from '../../src/schema/any.js';
import type { Duration } from '../../src/schema/duration.js';
import type { Empty } from '../../src/schema/empty.js';
import type { JsonObject, JsonValue } from '../../src/schema/json-value.js';
import { protoEnum } from '../../src/schema/proto-enum.js';
import type { EnumValue } from '../../src/schema/proto-enum.js';

export const Color = protoEnum('sample.Color', { RED: 0, GREEN: 1, BLUE: -1, CRIMSON: 0 });
export type ColorValue = EnumValue<typeof Color>;

/** One field of every scalar type. */
@Message('sample.Scalars')
export class Scalars {
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
  @Field(11, 'sfixed32') sfixed32 = 0;
  @Field(12, 'sfixed64') sfixed64 = 0n;
  @Field(13, 'bool') bool = false;
  @Field(14, 'string') string = '';
  @Field(15, 'bytes') bytes = new Uint8Array();
}

/** One list of every kind that the wire tells apart. */
@Message('sample.Lists')
export class Lists {
  @Repeated(1, 'int32') int32s: number[] = [];
  @Repeated(2, 'sint64') sint64s: bigint[] = [];
  @Repeated(3, 'double') doubles: number[] = [];
  @Repeated(4, 'fixed32') fixed32s: number[] = [];
  @Repeated(5, 'bool') bools: boolean[] = [];
  @Repeated(6, 'string') strings: string[] = [];
  @Repeated(7, 'bytes') blobs: Uint8Array[] = [];
  @Repeated(8, Color) colors: ColorValue[] = [];
  @Repeated(9, Scalars) messages: Scalars[] = [];
  @Repeated(10, 'google.protobuf.Timestamp') times: Date[] = [];
}

/** Maps with keys and values of several kinds. */
@Message('sample.Maps')
export class Maps {
  @MapField(1, 'string', 'int32') counts = new Map<string, number>();
  @MapField(2, 'int64', 'string') names = new Map<bigint, string>();
  @MapField(3, 'bool', 'bytes') blobs = new Map<boolean, Uint8Array>();
  @MapField(4, 'string', Scalars) messages = new Map<string, Scalars>();
  @MapField(5, 'sint32', Color) colors = new Map<number, ColorValue>();
  @MapField(6, 'fixed64', 'google.protobuf.Duration') spans = new Map<bigint, Duration>();
}

/** Everything that can be absent, with ids that need tags of one, two and five bytes. */
@Message('sample.Choices', { reserved: [90, 'old_name'] })
export class Choices {
  @Field(1, 'int32', { optional: true }) age?: number;
  @Field(2, 'string', { optional: true }) nickName?: string;
  @Field(3, Color, { optional: true }) color?: ColorValue;
  @OneOf('contact') @Field(4, 'string') email?: string;
  @OneOf('contact') @Field(5, 'int64') phone?: bigint;
  @OneOf('contact') @Field(6, () => Choices) other?: Choices;
  @Field(7, Scalars) scalars?: Scalars;
  @Repeated(8, () => Choices) children: Choices[] = [];
  @Field(100, Color) plainColor: ColorValue = 0;
  @Field(536_870_911, 'bool', { optional: true }) last?: boolean;
}

/** The well-known types. */
@Message('sample.WellKnown')
export class WellKnown {
  @Field(1, 'google.protobuf.Timestamp') at?: Date;
  @Field(2, 'google.protobuf.Duration') span?: Duration;
  @Field(3, 'google.protobuf.Empty') empty?: Empty;
  @Field(4, 'google.protobuf.StringValue') text?: string;
  @Field(5, 'google.protobuf.Int64Value') long?: bigint;
  @Field(6, 'google.protobuf.BytesValue') blob?: Uint8Array;
  @Field(7, 'google.protobuf.BoolValue') flag?: boolean;
  @Field(8, 'google.protobuf.DoubleValue') double?: number;
  @Field(9, 'google.protobuf.FloatValue') float?: number;
  @Field(10, 'google.protobuf.Int32Value') int32?: number;
  @Field(11, 'google.protobuf.UInt32Value') uint32?: number;
  @Field(12, 'google.protobuf.UInt64Value') uint64?: bigint;
}

/** The types that hold JSON. */
@Message('sample.Free')
export class Free {
  @Field(1, 'google.protobuf.Struct') object?: JsonObject;
  @Field(2, 'google.protobuf.Value') value?: JsonValue;
  @Field(3, 'google.protobuf.ListValue') list?: JsonValue[];
  @Field(4, 'google.protobuf.NullValue') none: null = null;
  @Repeated(5, 'google.protobuf.Value') values: JsonValue[] = [];
  @MapField(6, 'string', 'google.protobuf.Value') named = new Map<string, JsonValue>();
  @Repeated(7, 'google.protobuf.NullValue') nones: null[] = [];
  @MapField(8, 'int32', 'google.protobuf.NullValue') noneOf = new Map<number, null>();
  @Field(9, 'google.protobuf.NullValue', { optional: true }) known?: null;
  @OneOf('kind') @Field(10, 'google.protobuf.NullValue') asNull?: null;
  @OneOf('kind') @Field(11, 'google.protobuf.Value') asValue?: JsonValue;
  @OneOf('kind') @Field(12, 'string') asText?: string;
  @Repeated(13, 'google.protobuf.Struct') objects: JsonObject[] = [];
  @Repeated(14, 'google.protobuf.ListValue') lists: JsonValue[][] = [];
}

/** Messages of any class. */
@Message('sample.Envelope')
export class Envelope {
  @Field(1, Any.of(Scalars, Choices, () => Envelope)) content?: Any;
  @Repeated(2, Any.of(Scalars)) list: Any[] = [];
  @MapField(3, 'string', Any.of(Scalars)) map = new Map<string, Any>();
  @OneOf('which') @Field(4, Any) plain?: Any;
  @OneOf('which') @Field(5, 'string') text?: string;
}

export const samples = [Scalars, Lists, Maps, Choices, WellKnown, Free, Envelope];
