import { grpc, type GrpcServerOptions } from '../../src/server/grpc.js';
import type { ServerSubject } from '../conformance/server.js';
import { grpcTestClient } from './grpc-client.js';
import { probeSubject } from './probe-subject.js';

/** The probe service by the grpc server, and a client that is not Octavo's. */
export function grpcSubject(options: GrpcServerOptions = {}): ServerSubject {
  const subject: ServerSubject = probeSubject({
    client: grpcTestClient(() => subject.address || subject.nobody),
    server: grpc(options),
    another: (more) => grpcSubject(more),
  });
  return subject;
}
