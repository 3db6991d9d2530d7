import type { Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import type { Clock } from '../../core/clock.js';
import { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { isPromise } from '../../core/lifecycle.js';
import type { Logger } from '../../core/logger.js';
import { EMPTY, type Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import { Pulse } from '../../core/pulse.js';
import { quietly } from '../../core/quietly.js';
import { writeError } from '../../core/wire-error.js';
import type { Identity } from '../../core/identity.js';
import type { MessageType } from '../../schema/message-type.js';
import type { Method } from '../../schema/method.js';
import { schemaOf } from '../../schema/schema.js';
import type { Socket } from '../../transport/transport.js';
import type { Dispatcher, DispatchRoute } from '../dispatcher.js';
import type { ServerOptions } from '../server.js';
import type { Subscriptions } from '../subscriptions.js';
import type { Incoming } from './incoming.js';
import { Requests } from './requests.js';
import { StreamSink } from './stream-sink.js';
import { UnarySink } from './unary-sink.js';

/** What one server takes, as its options have it. */
export type IntakeLimits = Required<
  Pick<ServerOptions, 'requestTimeoutMs' | 'keepaliveMs' | 'streamIdleMs' | 'maxInFlight' | 'maxStreams'>
>;

export interface IntakeParts {
  readonly identity: Identity;
  /** The name that calls must be for, beside the proto package. */
  readonly service: string;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dispatcher: Dispatcher;
  readonly subscriptions: Subscriptions;
  readonly limits: IntakeLimits;
  /** Whether new calls are refused. */
  readonly draining: () => boolean;
}

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
    const { header } = first;
    // The end of a stream that is not known here: go-micro ignores it too.
    if (header.has(mucp.ERROR) && header.has(mucp.STREAM)) return socket.close();
    if (header.has(mucp.TOPIC)) return void this.#event(socket, first);
    try {
      this.#call(socket, first);
    } catch (reason) {
      this.#refuse(socket, header, OctavoError.from(reason));
    }
  }

  #call(socket: Socket, first: Message): void {
    const { header } = first;
    const { service, identity, dispatcher, draining } = this.#parts;
    const wanted = mucp.readMicro(header, mucp.SERVICE);
    if (wanted !== undefined && wanted !== service && wanted !== identity.package)
      throw new OctavoError(
        'unimplemented',
        `this is "${service}", not "${wanted}": the caller's registry is out of date, or the address wrong`,
        {
          executed: false,
        },
      );
    if (draining()) throw new OctavoError('unavailable', `${service} is stopping`, { executed: false });
    const name = mucp.readMicro(header, mucp.ENDPOINT) ?? mucp.readMicro(header, mucp.METHOD);
    if (name === undefined)
      throw new OctavoError(
        'invalid_argument',
        'the request names no endpoint: send Micro-Endpoint, or POST /package.Service/Method',
      );
    const route = dispatcher.find(name);
    const contentType = header.get(mucp.CONTENT_TYPE) ?? 'application/protobuf';
    const incoming: Incoming = {
      header,
      arrivedAt: first.arrivedAt,
      service,
      contentType,
      codec: this.#codec(contentType),
      octavo: mucp.isOctavoRequest(header),
      stream: header.get(mucp.STREAM),
    };
    if (!incoming.octavo) this.#foreign = true;
    this.#checkRoom(route.endpoint.method.kind === 'unary');
    if (route.endpoint.method.kind === 'unary') this.#unary(socket, first, route, incoming);
    else this.#stream(socket, route, incoming);
  }

  /** Refuses what would be too much at once, before anything is spent on it. */
  #checkRoom(unary: boolean): void {
    const { service, dispatcher, limits } = this.#parts;
    const { active, streams } = dispatcher.stats;
    const [count, most, option] = unary
      ? [active - streams, limits.maxInFlight, 'maxInFlight']
      : [streams, limits.maxStreams, 'maxStreams'];
    if (count < most) return;
    const what = unary ? 'calls in flight' : 'open streams';
    throw new OctavoError('resource_exhausted', `${service} has ${count} ${what} (${option})`, {
      executed: false,
    });
  }

  #unary(socket: Socket, { body }: Message, route: DispatchRoute, incoming: Incoming): void {
    const { method } = route.endpoint;
    const { codec } = incoming;
    // Out of a stream's handler go-micro's client sends the stream's id along with calls.
    if (incoming.stream !== undefined && incoming.octavo)
      throw new OctavoError(
        'invalid_argument',
        `${method.endpoint} is no stream: call it without Micro-Stream`,
      );
    const context = this.#context(socket, route, incoming, this.#parts.limits.requestTimeoutMs);
    const sink = new UnarySink(socket, incoming, method, context);
    this.#parts.dispatcher.dispatch(route, context, () => readValid(codec, body, method.request), sink);
  }

  #stream(socket: Socket, route: DispatchRoute, incoming: Incoming): void {
    const { method } = route.endpoint;
    if (incoming.stream === undefined)
      throw new OctavoError('invalid_argument', `${method.endpoint} is a stream: open it with Micro-Stream`);
    const context = this.#context(socket, route, incoming, undefined);
    const pulse = this.#pulse(incoming, method, context, () => sink.beat());
    const sink = new StreamSink({ socket, incoming, method, context, pulse });
    const requests = new Requests({
      socket,
      octavo: incoming.octavo,
      read: (body) => readValid(incoming.codec, body, method.request),
      sink,
      pulse,
    });
    sink.greet(this.#parts.limits.keepaliveMs);
    if (method.kind !== 'server') {
      this.#parts.dispatcher.dispatch(route, context, () => requests, sink);
      return;
    }
    // The one request of a server stream is the first item: the opener's body is not it.
    requests.next().then(
      ({ done, value }) => {
        const read = (): unknown => {
          if (done === true) throw new OctavoError('invalid_argument', `${method.endpoint} got no request`);
          return value;
        };
        this.#parts.dispatcher.dispatch(route, context, read, sink);
        void requests.watch();
      },
      (reason: unknown) => sink.end(OctavoError.from(reason)),
    );
  }

  #pulse(
    { header, octavo }: Incoming,
    { endpoint, options }: Method,
    context: Context,
    beat: () => void,
  ): Pulse {
    const { keepaliveMs, streamIdleMs } = this.#parts.limits;
    const idleMs = options.idleMs ?? streamIdleMs;
    const silence = `the caller of ${endpoint} was silent for ${keepaliveMs} ms (keepaliveMs)`;
    const idleness = `${endpoint} carried no item for ${idleMs} ms (streamIdleMs)`;
    return new Pulse({
      clock: this.#parts.clock,
      beatMs: octavo ? mucp.readKeepalive(header) / 3 : 0,
      silenceMs: octavo ? keepaliveMs : 0,
      idleMs,
      beat,
      silent: () => context.cancel(new OctavoError('unavailable', silence)),
      idle: () => context.cancel(new OctavoError('deadline_exceeded', idleness)),
    });
  }

  /** @param timeoutMs the limit where neither caller nor endpoint names one; `undefined` for none */
  #context(
    socket: Socket,
    { endpoint }: DispatchRoute,
    incoming: Incoming,
    timeoutMs: number | undefined,
  ): Context {
    const { clock, logger } = this.#parts;
    const { header, service, octavo } = incoming;
    const now = clock.now();
    const asked = timeLeft(incoming, now);
    const allowed = endpoint.method.options.timeoutMs;
    const ms = asked === undefined ? (allowed ?? timeoutMs) : Math.min(asked, allowed ?? asked);
    const context = new Context({
      service,
      endpoint: endpoint.method.endpoint,
      clock,
      logger,
      metadata: () => mucp.userMetadata(header),
      peer: { address: socket.remote, octavo },
      deadline: ms === undefined || ms === 0 ? undefined : now + ms,
    });
    // Most sockets close because the reply is out.
    socket.onClose(() => {
      if (!context.ended) context.cancel(new OctavoError('cancelled', 'the caller went away'));
    });
    return context;
  }

  #codec(contentType: string): Codec {
    const { codecs, service } = this.#parts;
    const codec = codecs.get(contentType);
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
  async #event(socket: Socket, message: Message): Promise<void> {
    const { header } = message;
    try {
      await this.#parts.subscriptions.deliver(header.get(mucp.TOPIC) ?? '', message);
      const reply = new Metadata([
        [mucp.CONTENT_TYPE, header.get(mucp.CONTENT_TYPE) ?? 'application/protobuf'],
      ]);
      await socket.send({ header: reply.set(mucp.TOPIC, header.get(mucp.TOPIC) ?? ''), body: EMPTY });
      socket.close();
    } catch (reason) {
      this.#refuse(socket, header, OctavoError.from(reason));
    }
  }

  /** Says no before anything ran. */
  #refuse(socket: Socket, header: Metadata, error: OctavoError): void {
    const octavo = mucp.isOctavoRequest(header);
    const text = writeError(error, this.#parts.service, octavo);
    const reply = new Metadata([
      [mucp.CONTENT_TYPE, header.get(mucp.CONTENT_TYPE) ?? 'application/protobuf'],
      [mucp.ERROR, text],
      [`X-${mucp.ERROR}`, text],
    ]);
    if (octavo) reply.append(mucp.OCTAVO, mucp.DIALECT);
    const stream = header.get(mucp.STREAM);
    if (stream !== undefined) reply.append(mucp.STREAM, stream);
    quietly(() => socket.send({ header: reply, body: EMPTY }));
    socket.close();
  }
}

/**
 * How much of the caller's time is left, in milliseconds; `undefined` where it sets no limit. Since `Timeout` is what was left when the
 * request was sent, what it took to arrive whole and be taken up counts here.
 *
 * @throws `deadline_exceeded`, `executed: false`, when nothing is left: nobody waits for a reply any more
 */
function timeLeft({ header, arrivedAt }: Incoming, now: number): number | undefined {
  const asked = mucp.readTimeout(header);
  if (asked === undefined || arrivedAt === undefined) return asked;
  const waited = Math.max(0, now - arrivedAt);
  if (waited < asked) return asked - waited;
  throw new OctavoError(
    'deadline_exceeded',
    `the request came too late: it had ${Math.round(asked)} ms, and was taken up ${Math.round(waited)} ms after its first byte`,
    { executed: false },
  );
}

/** Decodes a request and holds it to its rules. */
function readValid(codec: Codec, body: Uint8Array, type: MessageType): unknown {
  const request = codec.readBody(body, type, 'request');
  // What a codec gives for a type is an instance of it.
  schemaOf(type).validate(request as object);
  return request;
}
