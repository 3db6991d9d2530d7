import { grpc as grpcClient } from '../../src/client/grpc.js';
import { http as httpClient } from '../../src/client/http.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { grpc } from '../../src/server/grpc.js';
import { http } from '../../src/server/http.js';
import { rpc } from '../../src/server/rpc.js';
import { grpc as grpcTransport } from '../../src/transport/grpc.js';
import { http as httpTransport } from '../../src/transport/http.js';
import { memory } from '../../src/transport/memory.js';
import { tcp } from '../../src/transport/tcp.js';
import { udp } from '../../src/transport/udp.js';
import { column } from '../support/matrix/column.js';
import { MOST_BYTES } from '../support/matrix/features.js';
import { foreignCaller } from '../support/matrix/web-caller.js';
import { withoutProtoc } from '../schema/protoc.js';

const limits = { maxMessageBytes: MOST_BYTES };

for (const [name, transport] of Object.entries({
  memory: memory(limits),
  http: httpTransport(limits),
  tcp: tcp(limits),
  grpc: grpcTransport(limits),
}))
  column(`rpc over ${name}`, { transport: () => transport, server: rpc, client: rpcClient() });

const STREAMS = 'a datagram is a whole message: no streams';
column('rpc over udp', {
  transport: () => udp(limits),
  server: rpc,
  client: rpcClient(),
  streamless: true,
  gaps: {
    'server stream': STREAMS,
    'client stream': STREAMS,
    'bidi stream, item by item': STREAMS,
    'error after the last item': STREAMS,
    'leaving a stream cancels its handler': STREAMS,
    'a slow reader holds up the producer': STREAMS,
    'a slow handler holds up the caller': STREAMS,
  },
});

column('native grpc', {
  server: (options) => grpc({ ...options, ...limits }),
  client: grpcClient(limits),
});

for (const [name, contentType] of [
  ['http JSON', 'application/json'],
  ['http protobuf', 'application/protobuf'],
] as const)
  column(name, {
    server: (options) => http({ ...options, ...limits }),
    client: httpClient({ ...limits, contentType }),
  });

if (withoutProtoc === false)
  column('gRPC-Web', {
    server: (options) => http({ ...options, ...limits }),
    caller: (address) => foreignCaller({ protocol: 'grpc-web', httpVersion: '1.1', binary: true }, address),
  });
