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
import { withoutProtoc } from '../schema/protoc.js';
import { column } from '../support/matrix/column.js';
import { foreignCaller } from '../support/matrix/foreign-caller.js';
import { MOST_BYTES } from '../support/matrix/features.js';

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

for (const [name, options] of Object.entries({
  'http, JSON': { contentType: 'application/json' },
  'http, protobuf': {},
  'http, protobuf by HTTP/2': { version: '2' },
} as const))
  column(name, {
    server: (given) => http({ ...limits, ...given }),
    client: httpClient({ ...limits, ...options }),
  });

// A client of somebody else's, which learns of the service from protoc.
if (withoutProtoc === false)
  for (const [name, way] of Object.entries({
    'gRPC-Web, by Connect-ES': { protocol: 'grpc-web', httpVersion: '2', binary: true },
    'Connect, by Connect-ES': { protocol: 'connect', httpVersion: '2', binary: true },
  } as const))
    column(name, { server: (given) => http({ ...limits, ...given }), caller: foreignCaller(way) });
else console.error(`gRPC-Web of the matrix is SKIPPED: ${withoutProtoc}`);
