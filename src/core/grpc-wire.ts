import { OctavoError } from './error.js';
import type { GrpcFrame } from './grpc-frames.js';
import { Wire } from './http2/wire.js';

/** One call of gRPC itself on the wire, whose messages are taken as they are packed. */
export abstract class GrpcWire extends Wire<GrpcFrame> {
  protected read(frame: GrpcFrame): GrpcFrame {
    return frame;
  }

  /** As gRPC has it for what cannot be read. */
  protected override explain(error: OctavoError): OctavoError {
    if (error.code === 'resource_exhausted') return error;
    return new OctavoError('internal', error.message, { cause: error });
  }
}
