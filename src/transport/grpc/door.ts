import type { IncomingHttpHeaders } from 'node:http2';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { Door, type DoorOptions as Http2DoorOptions } from '../../core/http2/door.js';
import { refuse } from '../../core/http2/refuse.js';
import type { Session } from '../../core/http2/session.js';
import type { Refusals } from '../../core/refusals.js';
import type { Certificates } from '../../core/tls.js';
import type { MESSAGE_LIMITS, Socket } from '../transport.js';
import { AcceptedWire } from './accepted.js';
import { PATH, TYPE } from './protocol.js';
import { writeStatus } from './status.js';

export type DoorOptions = Http2DoorOptions & typeof MESSAGE_LIMITS;

export interface DoorParts {
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly accept: (socket: Socket) => void;
  /** Those that are shown, where TLS and nothing else is spoken. */
  readonly certificates: Certificates | undefined;
}

/** Opens a door for go-micro's grpc transport. */
export function openDoor(address: string, options: DoorOptions, parts: DoorParts): Promise<Door> {
  const { idleMs } = options;
  const accept = (socket: Socket): void => safely(socket, parts);
  return Door.open(address, options, {
    ...parts,
    who: 'the grpc transport',
    tlsRemedy: 'give the grpc transport of the caller the option tls',
    serve: ({ session, stream, headers, unwelcome }) => {
      const refusal = unwelcome ?? refusalOf(headers);
      if (refusal === undefined) new AcceptedWire(session, stream, headers, { limits: options, accept });
      else refuse(stream, { ':status': 200, 'content-type': TYPE, ...writeStatus(refusal) });
    },
    parting: (session) => {
      for (const wire of restingOn(session)) wire.end();
    },
    looked: (session, now) => {
      for (const wire of restingOn(session)) if (idleMs > 0 && now - wire.freeSince >= idleMs) wire.end();
    },
  });
}

function restingOn(session: Session): AcceptedWire[] {
  return [...session.wires].filter((wire) => wire instanceof AcceptedWire && wire.resting) as AcceptedWire[];
}

function safely(socket: Socket, { accept, refusals }: DoorParts): void {
  try {
    accept(socket);
  } catch (reason) {
    // It would end whoever gave the bytes: the process, at times.
    const error = OctavoError.from(reason);
    refusals.note(socket.remote, error);
    socket.close(error);
  }
}

/** Why a stream is none of ours. */
function refusalOf(headers: IncomingHttpHeaders): OctavoError | undefined {
  const { ':path': path, ':method': method, 'content-type': type = '' } = headers;
  if (method === 'POST' && path === PATH && type.startsWith(TYPE)) return undefined;
  const what = `this port speaks go-micro's grpc transport: it has the one method ${PATH}`;
  return new OctavoError('unimplemented', what, { executed: false });
}
