import { grpc as grpcClient, type GrpcClientOptions } from '../../src/client/grpc.js';
import { grpc as grpcServer, type GrpcServerOptions } from '../../src/server/grpc.js';
import type { ServerSubject } from '../conformance/server.js';
import { probeSubject } from './probe-subject.js';

/** The probe service and a client of it, by the grpc server and client. */
export function nativeGrpcSubject(client: GrpcClientOptions, server: GrpcServerOptions = {}): ServerSubject {
  return probeSubject({
    client: grpcClient(client),
    server: grpcServer(server),
    another: (more) => nativeGrpcSubject(client, { ...server, ...more }),
    clientFirst: true,
  });
}
