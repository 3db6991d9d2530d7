import type { OutgoingHttpHeaders } from 'node:http';
import { CODES, OctavoError } from '../../core/error.js';
import { writeFrame } from '../../core/grpc-frames.js';
import { toGrpc } from '../../core/grpc-metadata.js';
import { writeGrpcMessage } from '../../core/grpc-status.js';
import { readGrpcTimeout } from '../../core/grpc-timeout.js';
import type { Metadata } from '../../core/metadata.js';
import { writeConnectError } from '../../schema/connect-error.js';
import { writeStatus } from '../../schema/rpc-status.js';
import type { Exchange } from './exchange.js';
import type { Form } from './form.js';

/** What is of one protocol alone among those whose bodies are frames. */
export interface Framing {
  /** The header that says how messages are packed. */
  readonly encoding: string;
  /** The header that says how they may be. */
  readonly acceptEncoding: string;
  /** How long the caller waits, in milliseconds; `undefined` where it does not say. Throws `invalid_argument`. */
  timeoutMs(exchange: Exchange): number | undefined;
  /** The frame that ends a reply. Throws for a trailer that cannot travel. */
  ending(error: OctavoError | undefined, trailer: Metadata | undefined): Buffer;
  /** Frames as they travel. */
  written(frames: Buffer): Buffer;
}

/** Connect's flag of the last message of a stream. */
const END_STREAM = 0x02;
/** gRPC-Web's flag of the trailers. */
const TRAILERS = 0x80;
/** Bytes of an error's details in gRPC-Web. They are in a body, where there is room. */
const DETAIL_BYTES = 64 * 1024;

/** Connect's streams. Source: connectrpc.com/docs/protocol, Streaming RPCs. */
const connect: Framing = {
  encoding: 'connect-content-encoding',
  acceptEncoding: 'connect-accept-encoding',
  timeoutMs: connectTimeout,
  ending(error, trailer) {
    const metadata: Record<string, string[]> = {};
    for (const [name, value] of trailer === undefined ? [] : toGrpc(trailer))
      (metadata[name] ??= []).push(typeof value === 'string' ? value : value.toString('base64'));
    const end = {
      ...(error !== undefined && { error: writeConnectError(error) }),
      ...(trailer !== undefined && { metadata }),
    };
    return writeFrame(Buffer.from(JSON.stringify(end)), END_STREAM);
  },
  written: asIs,
};

/** gRPC-Web. Source: grpc `doc/PROTOCOL-WEB.md`. */
const grpcWeb: Framing = {
  encoding: 'grpc-encoding',
  acceptEncoding: 'grpc-accept-encoding',
  timeoutMs: (exchange) => readGrpcTimeout(exchange.header('grpc-timeout')),
  ending(error, trailer) {
    const lines = [`grpc-status: ${error === undefined ? 0 : CODES[error.code].grpc}`];
    if (error !== undefined) lines.push(...errorLines(error));
    for (const [name, value] of trailer === undefined ? [] : toGrpc(trailer))
      lines.push(`${name}: ${typeof value === 'string' ? value : value.toString('base64')}`);
    return writeFrame(Buffer.from(`${lines.join('\r\n')}\r\n`), TRAILERS);
  },
  written: asIs,
};

const FRAMINGS: Readonly<Record<Exclude<Form['protocol'], 'connect'>, Framing>> = {
  'connect-stream': connect,
  'grpc-web': grpcWeb,
  'grpc-web-text': { ...grpcWeb, written: (frames) => Buffer.from(frames.toString('base64')) },
};

/** The framing of a form; `undefined` for the one whose bodies are no frames. */
export function framingOf({ protocol }: Form): Framing | undefined {
  return protocol === 'connect' ? undefined : FRAMINGS[protocol];
}

/** What a `Connect-Timeout-Ms` says. Throws `invalid_argument` for what is none. */
export function connectTimeout(exchange: Exchange): number | undefined {
  const text = exchange.header('connect-timeout-ms');
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new OctavoError(
    'invalid_argument',
    `the header Connect-Timeout-Ms is "${text.slice(0, 20)}": it takes up to ten digits`,
    { executed: false },
  );
}

/** Says no to a call whose answer is frames, before anything ran: HTTP's status is of no account there. */
export function refuseFramed(exchange: Exchange, form: Form, framing: Framing, error: OctavoError): void {
  const headers: OutgoingHttpHeaders = { 'content-type': form.contentType };
  exchange.respond(200, headers, framing.written(framing.ending(error, undefined)));
}

function errorLines(error: OctavoError): string[] {
  const details = writeStatus(error, DETAIL_BYTES);
  return [
    `grpc-message: ${writeGrpcMessage(error.message)}`,
    ...(details === undefined
      ? []
      : [`grpc-status-details-bin: ${Buffer.from(details).toString('base64').replace(/=+$/, '')}`]),
  ];
}

function asIs(frames: Buffer): Buffer {
  return frames;
}
