import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import protobuf from 'protobufjs';

import { Field, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { Empty } from '../../src/schema/empty.js';
import type { Ref } from '../../src/schema/message-type.js';
import { protoEnum } from '../../src/schema/proto-enum.js';
import { protoFiles, protoText } from '../../src/schema/proto-text.js';
import { Protoc, withoutProtoc } from './protoc.js';
import { refused } from './refused.js';
import { Choices, Envelope, Free, Maps, Scalars, samples } from './sample-messages.js';

@Message('money.v1.Amount')
class Amount {
  @Field(1, 'int64') cents = 0n;
}

@Message('shop.string')
class Odd {}

@Message('shop.Order')
class Order {
  @Field(1, Amount) total?: Amount;
  @Field(2, 'string') order_id = '';
  @Field(3, 'string') HTTPPath = '';
  @Field(4, 'google.protobuf.Timestamp') at?: Date;
  @Field(5, Odd) odd?: Odd;
}

const services = [
  {
    name: 'shop.Shop',
    methods: [
      { name: 'Buy', request: Order, reply: Empty, kind: 'unary' },
      { name: 'Watch', request: Empty, reply: Order, kind: 'server' },
      { name: 'Fill', request: Order, reply: Amount, kind: 'client' },
      { name: 'Talk', request: Order, reply: Order, kind: 'bidi' },
    ],
  },
] as const;

const CHOICES = `message Choices {
  reserved 90;
  reserved "old_name";
  optional int32 age = 1;
  optional string nick_name = 2;
  optional Color color = 3;
  oneof contact {
    string email = 4;
    int64 phone = 5;
    Choices other = 6;
  }
  Scalars scalars = 7;
  repeated Choices children = 8;
  Color plain_color = 100;
  optional bool last = 536870911;
}`;

const SHOP = `syntax = "proto3";

package shop;

import "google/protobuf/empty.proto";
import "google/protobuf/timestamp.proto";
import "money/v1.proto";

service Shop {
  rpc Buy(Order) returns (google.protobuf.Empty);
  rpc Watch(google.protobuf.Empty) returns (stream Order);
  rpc Fill(stream Order) returns (money.v1.Amount);
  rpc Talk(stream Order) returns (stream Order);
}

message Order {
  money.v1.Amount total = 1;
  string order_id = 2 [json_name = "order_id"];
  string h_t_t_p_path = 3 [json_name = "HTTPPath"];
  google.protobuf.Timestamp at = 4;
  .shop.string odd = 5;
}

message string {}
`;

describe('.proto text', () => {
  it('has what the class declares', () => {
    const text = protoText([Choices]);
    assert.ok(text.startsWith('syntax = "proto3";\n\npackage sample;\n\nmessage Choices {'), text);
    assert.ok(text.includes(`\n${CHOICES}\n`), text);
    assert.ok(
      text.includes('\nenum Color {\n  option allow_alias = true;\n  RED = 0;\n  CRIMSON = 0;\n'),
      text,
    );
  });

  it('has maps and the imports of well-known types', () => {
    const text = protoText([Maps]);
    assert.ok(text.includes('  map<string, int32> counts = 1;\n'), text);
    assert.ok(text.includes('  map<fixed64, google.protobuf.Duration> spans = 6;\n'), text);
    assert.ok(text.includes('\nimport "google/protobuf/duration.proto";\n'), text);
    assert.match(
      protoText([Free]),
      /^syntax = "proto3";\n\npackage sample;\n\nimport "google\/protobuf\/struct\.proto";\n\nmessage/,
    );
    const any = protoText([Envelope]);
    assert.match(
      any,
      /;\n\nimport "google\/protobuf\/any\.proto";\n\nmessage Envelope {\n  google\.protobuf\.Any content = 1;\n/,
    );
    // What an Any may hold is no part of its message.
    assert.doesNotMatch(any, /Scalars/);
  });

  it('has all that is referred to, once', () =>
    assert.equal(protoText([Choices, Scalars, Choices]).match(/^message Scalars/gm)?.length, 1));

  it('has one file for each package, with services and imports', () => {
    const files = protoFiles([], services);
    assert.deepEqual([...files.keys()].sort(), ['money/v1.proto', 'shop.proto']);
    assert.equal(files.get('shop.proto'), SHOP);
  });

  it('has a file for names without a package', () => {
    @Message('Bare')
    class Bare {}
    assert.deepEqual(
      [...protoFiles([Bare])],
      [['messages.proto', 'syntax = "proto3";\n\nmessage Bare {}\n']],
    );
  });

  it('of nothing is the first line', () => assert.equal(protoText([]), 'syntax = "proto3";\n'));

  it('is parsed by protobufjs into the same types', () => {
    const { root } = protobuf.parse(protoText(samples));
    const choices = root.lookupType('sample.Choices');
    assert.equal(choices.fields['plainColor']?.id, 100);
    assert.deepEqual(choices.oneofs['contact']?.oneof, ['email', 'phone', 'other']);
    assert.ok(root.lookupType('sample.Maps').fields['names'] instanceof protobuf.MapField);
  });

  it('is accepted by protoc', { skip: withoutProtoc }, () => {
    for (const files of [protoFiles(samples), protoFiles([], services), protoFiles([Empty])]) {
      if (files.size === 0) continue;
      const protoc = new Protoc(files);
      protoc.check();
      protoc.close();
    }
  });

  it('for one package refuses several', () =>
    void refused(
      () => protoText([Order]),
      /these are several packages.*use protoFiles\(\)$/,
      'failed_precondition',
    ));

  it('refuses packages that refer to each other', () => {
    @Message('p.A')
    class A {
      @Field(1, () => B) b?: Ref<B>;
    }
    @Message('q.B')
    class B {
      @Repeated(1, () => C) c: C[] = [];
    }
    @Message('p.C')
    class C {}
    refused(
      () => protoFiles([A]),
      /^p\.proto: its package refers to others that refer back/,
      'failed_precondition',
    );
  });

  it('refuses two enums of a package with one name of a value', () => {
    const One = protoEnum('p.One', { NONE: 0 });
    const Two = protoEnum('p.Two', { NONE: 0 });
    @Message('p.Enums')
    class Enums {
      @Field(1, One) one = 0 as number;
      @Field(2, Two) two = 0 as number;
    }
    refused(() => protoFiles([Enums]), /^p\.Two\.NONE: p\.One has this value too/, 'failed_precondition');
  });
});
