import { grpc } from '../../src/codec/grpc.js';
import { json } from '../../src/codec/json.js';
import { jsonrpc } from '../../src/codec/jsonrpc.js';
import { jsonrpc2 } from '../../src/codec/jsonrpc2.js';
import { mercury } from '../../src/codec/mercury.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { protobuf } from '../../src/codec/protobuf.js';
import { protorpc } from '../../src/codec/protorpc.js';

/** Every codec for messages. `application/json-rpc` is the older one's. */
export const CODECS = [
  protobuf(),
  json(),
  jsonrpc(),
  jsonrpc2(),
  protorpc(),
  msgpack(),
  mercury(),
  grpc(),
  grpc({ format: 'json' }),
];
