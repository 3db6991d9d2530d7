import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { JsonCodec } from '../../src/codec/json.js';
import { ProtobufCodec } from '../../src/codec/protobuf.js';
import { Codecs } from '../../src/codec/codecs.js';
import { codecSuite, type CodecSubject } from '../conformance/codec.js';
import { conform } from '../conformance/conform.js';
import { wrapped } from '../support/wrapped.js';

describe('ProtobufCodec', () => {
  conform<CodecSubject, typeof codecSuite>(test, codecSuite, () => ({ codec: new ProtobufCodec() }));
});

describe('JsonCodec', () => {
  conform<CodecSubject, typeof codecSuite>(test, codecSuite, () => ({ codec: new JsonCodec() }));

  it('writes one value and a line break, as go-micro does', () => {
    const bytes = new JsonCodec().write(
      { kind: 'request', id: '', service: '', endpoint: '' },
      { a: 1 },
      undefined,
    );
    assert.equal(Buffer.from(bytes).toString(), '{"a":1}\n');
  });
});

describe('wrapped codecs', () => {
  conform<CodecSubject, typeof codecSuite>(test, codecSuite, () => ({ codec: wrapped(new ProtobufCodec()) }));
  conform<CodecSubject, typeof codecSuite>(test, codecSuite, () => ({ codec: wrapped(new JsonCodec()) }));
});

describe('Codecs', () => {
  it('finds a codec by content type, whatever its case and parameters', () => {
    const json = new JsonCodec();
    const codecs = new Codecs([new ProtobufCodec(), json]);
    assert.equal(codecs.get('application/json'), json);
    assert.equal(codecs.get('Application/JSON; charset=utf-8'), json);
    assert.equal(codecs.get('application/xml'), undefined);
  });
});
