import { BatchCodec, type CallHeader, type Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import type { Clock } from '../../core/clock.js';
import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise } from '../../core/lifecycle.js';
import { EMPTY, type Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import type { Pulse } from '../../core/pulse.js';
import { quietly } from '../../core/quietly.js';
import { writeError } from '../../core/wire-error.js';
import type { Method } from '../../schema/method.js';
import type { Socket } from '../../transport/transport.js';
import type { Dispatcher, DispatchRoute, Requested } from '../dispatcher.js';
import { readRequest } from '../read-request.js';
import { streamPulse } from '../stream-pulse.js';
import type { ServerOptions } from '../server.js';
import type { Subscriptions } from '../subscriptions.js';
import type { Incoming } from './incoming.js';
import { Batch } from './batch.js';
import { codecFor, envelopeOf, metadataOf } from './envelope.js';
import { readHead, withoutEndpoint, type Head } from './head.js';
import { Requests } from './requests.js';
import { StreamSink } from './stream-sink.js';
import { errorBody, isQuiet, UnaryExchange } from './unary-exchange.js';

/** How long streams may be quiet, as the server's options have it. */
export type StreamTimes = Required<Pick<ServerOptions, 'keepaliveMs' | 'streamIdleMs'>>;

export interface IntakeParts {
  /** The name that calls must be for, if it is not the endpoint's proto package. */
  readonly service: string;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly subscriptions: Subscriptions;
  readonly times: StreamTimes;
  /** Bytes of the longest body that the transport carries. */
  readonly maxMessageBytes: number;
}

/** What a request is in that does not say. */
const PROTOBUF = 'application/protobuf';

/** Reads calls from sockets and gives them to the dispatcher. */
export class Intake {
  readonly #parts: IntakeParts;
  #foreign = false;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** Whether there was a caller that is no Octavo peer, which does not know what a refusal says of the call. */
  get foreign(): boolean {
    return this.#foreign;
  }

  /** Takes over a socket that has its first message. */
  take(socket: Socket): void {
    const first = socket.receive();
    if (isPromise(first))
      first.then(
        (message) => this.#open(socket, message),
        () => socket.close(),
      );
    else this.#open(socket, first);
  }

  #open(socket: Socket, first: Message | undefined): void {
    if (first === undefined) return socket.close();
    const head = readHead(first.header);
    // The end of a stream that is not known here: go-micro ignores it too.
    if (head.error !== undefined && head.stream !== undefined) return socket.close();
    if (head.topic !== undefined) return void this.#event(socket, first, head.topic);
    let codec: Codec | undefined;
    try {
      codec = this.#codec(head);
      const calls = codec instanceof BatchCodec ? codec.split(first.body) : undefined;
      if (codec instanceof BatchCodec && calls !== undefined) this.#batch(socket, first, head, codec, calls);
      else this.#enveloped(socket, first, head, codec);
    } catch (reason) {
      this.#refuse(socket, first.header, OctavoError.from(reason), codec);
    }
  }

  #batch(
    socket: Socket,
    message: Message,
    head: Head,
    codec: BatchCodec,
    calls: readonly Uint8Array[],
  ): void {
    const { maxMessageBytes: maxBytes } = this.#parts;
    const { contentType = PROTOBUF } = head;
    const batch = new Batch({ socket, codec, contentType, calls: calls.length, maxBytes });
    const own = withoutEndpoint(head);
    for (const [at, body] of calls.entries()) {
      const part = batch.part(at);
      try {
        this.#enveloped(part, { ...message, body }, own, codec);
      } catch (reason) {
        this.#refuse(part, message.header, OctavoError.from(reason), codec);
      }
    }
  }

  #enveloped(socket: Socket, first: Message, head: Head, codec: Codec): void {
    const envelope = envelopeOf(first, head, codec);
    try {
      this.#call(socket, first, head, codec, envelope);
    } catch (reason) {
      this.#refuse(socket, first.header, OctavoError.from(reason), codec, envelope);
    }
  }

  #call(socket: Socket, first: Message, head: Head, codec: Codec, envelope: CallHeader | undefined): void {
    const { service, dispatcher } = this.#parts;
    const wanted = head.service ?? (envelope?.service || undefined);
    const name = head.endpoint ?? head.method ?? (envelope?.endpoint || undefined);
    if (wanted !== undefined && wanted !== service && !dispatcher.packages.has(wanted))
      throw new OctavoError(
        'unimplemented',
        `this is "${service}", not "${wanted}": the caller's registry is out of date, or the address wrong`,
        {
          executed: false,
        },
      );
    if (name === undefined)
      throw new OctavoError(
        'invalid_argument',
        'the request names no endpoint: send Micro-Endpoint, POST /package.Service/Method, or an envelope that a codec of this service reads',
      );
    const route = dispatcher.admit(name);
    const { contentType = PROTOBUF, stream } = head;
    const incoming: Incoming = {
      header: first.header,
      arrivedAt: first.arrivedAt,
      timeout: head.timeout,
      service,
      contentType,
      codec,
      envelope,
      // As `mucp.isOctavoRequest` says it.
      octavo: head.octavo !== undefined && head.accept === undefined,
      stream,
    };
    if (!incoming.octavo) this.#foreign = true;
    if (route.endpoint.method.kind === 'unary') this.#unary(socket, first, route, incoming);
    else this.#stream(socket, route, incoming);
  }

  #unary(socket: Socket, { body }: Message, route: DispatchRoute, incoming: Incoming): void {
    const { method } = route.endpoint;
    // Out of a stream's handler go-micro's client sends the stream's id along with calls.
    if (incoming.stream !== undefined && incoming.octavo)
      throw new OctavoError(
        'invalid_argument',
        `${method.endpoint} is no stream: call it without Micro-Stream`,
      );
    const context = this.#context(socket, route, incoming);
    const exchange = new UnaryExchange({ socket, incoming, method, context, body });
    this.#parts.dispatcher.dispatch(route, context, exchange, exchange);
  }

  #stream(socket: Socket, route: DispatchRoute, incoming: Incoming): void {
    const { method } = route.endpoint;
    if (incoming.stream === undefined)
      throw new OctavoError('invalid_argument', `${method.endpoint} is a stream: open it with Micro-Stream`);
    const context = this.#context(socket, route, incoming);
    const { keepaliveMs } = this.#parts.times;
    const pulse = this.#pulse(incoming, method, context, () => sink);
    const sink = new StreamSink({ socket, incoming, method, context, pulse, keepaliveMs });
    const requests = new Requests({
      socket,
      octavo: incoming.octavo,
      read: (body) => {
        context.meter?.received(body.length);
        return readRequest(incoming.codec, body, method.request);
      },
      sink,
      pulse,
    });
    if (method.kind === 'server' && incoming.header.has(mucp.WAITS)) sink.greet();
    const request = method.kind === 'server' ? this.#request(requests, method) : { read: () => requests };
    this.#parts.dispatcher.dispatch(route, context, request, sink);
  }

  /** The one request of a server stream, which is the first item: the opener's body is not it. */
  async #request(requests: Requests, { endpoint }: Method): Promise<Requested> {
    const read = await requests.take();
    if (read === undefined) throw new OctavoError('invalid_argument', `${endpoint} got no request`);
    void requests.watch();
    return { read };
  }

  #pulse({ header, octavo }: Incoming, method: Method, context: Context, sink: () => StreamSink): Pulse {
    const { keepaliveMs, streamIdleMs } = this.#parts.times;
    const silence = `the caller of ${method.endpoint} was silent for ${keepaliveMs} ms (keepaliveMs)`;
    return streamPulse(method, context, streamIdleMs, {
      beatMs: octavo ? mucp.readKeepalive(header) / 3 : 0,
      silenceMs: octavo ? keepaliveMs : 0,
      beat: () => sink().beat(),
      // Who was not greeted gives no signs of life yet.
      silent: () =>
        sink().greeted ? context.cancel(new OctavoError('unavailable', silence)) : sink().greet(),
    });
  }

  #context(socket: Socket, route: DispatchRoute, incoming: Incoming): Context {
    const { octavo } = incoming;
    const { remote, certificate } = socket;
    const now = this.#parts.clock.now();
    const context = this.#parts.dispatcher.context(route, {
      now,
      timeoutMs: timeLeft(incoming, now),
      metadata: () => metadataOf(incoming),
      peer:
        certificate === undefined ? { address: remote, octavo } : { address: remote, octavo, certificate },
    });
    // Most sockets close because the reply is out.
    socket.onClose(() => {
      if (!context.ended) context.cancel(new OctavoError('cancelled', 'the caller went away'));
    });
    return context;
  }

  #codec(head: Head): Codec {
    const { codecs, service } = this.#parts;
    const { contentType = PROTOBUF } = head;
    const codec = codecFor(head, contentType, codecs);
    if (codec !== undefined) return codec;
    throw new OctavoError(
      'invalid_argument',
      `unsupported content type "${contentType}": ${service} reads ${codecs.contentTypes.join(', ')}`,
      {
        executed: false,
      },
    );
  }

  /** An event that came as a call: its handler runs, and the answer says how that went. */
  async #event(socket: Socket, message: Message, topic: string): Promise<void> {
    const { header } = message;
    try {
      await this.#parts.subscriptions.deliver(topic, message);
      const reply = new Metadata([[mucp.CONTENT_TYPE, header.get(mucp.CONTENT_TYPE) ?? PROTOBUF]]);
      await socket.send({ header: reply.set(mucp.TOPIC, topic), body: EMPTY });
      socket.close();
    } catch (reason) {
      this.#refuse(socket, header, OctavoError.from(reason));
    }
  }

  /** Says no before anything ran. */
  #refuse(socket: Socket, header: Metadata, error: OctavoError, codec?: Codec, envelope?: CallHeader): void {
    const { service } = this.#parts;
    const octavo = mucp.isOctavoRequest(header);
    const reply = new Metadata([[mucp.CONTENT_TYPE, header.get(mucp.CONTENT_TYPE) ?? PROTOBUF]]);
    const quiet = isQuiet(envelope);
    const text = quiet ? '' : writeError(error, service, octavo);
    if (!quiet) reply.append(mucp.ERROR, text).append(`X-${mucp.ERROR}`, text);
    const body = quiet || codec === undefined ? EMPTY : errorBody(error, service, codec, envelope);
    if (octavo) reply.append(mucp.OCTAVO, mucp.DIALECT);
    const stream = header.get(mucp.STREAM);
    if (stream !== undefined) reply.append(mucp.STREAM, stream);
    quietly(() => socket.send({ header: reply, body }));
    socket.close();
  }
}

/**
 * How much of the caller's time is left, in milliseconds; `undefined` where it sets no limit. Since `Timeout` is what was left when the
 * request was sent, what it took to arrive whole and be taken up counts here.
 *
 * @throws `deadline_exceeded`, `executed: false`, when nothing is left: nobody waits for a reply any more
 */
function timeLeft({ timeout, arrivedAt }: Incoming, now: number): number | undefined {
  const asked = mucp.readTimeout(timeout);
  if (asked === undefined || arrivedAt === undefined) return asked;
  const waited = Math.max(0, now - arrivedAt);
  if (waited < asked) return asked - waited;
  throw new OctavoError(
    'deadline_exceeded',
    `the request came too late: it had ${Math.round(asked)} ms, and was taken up ${Math.round(waited)} ms after its first byte`,
    { executed: false },
  );
}
