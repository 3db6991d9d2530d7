import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Codecs } from '../../codec/codecs.js';
import type { Clock } from '../../core/clock.js';
import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { grpcEncoding } from '../../core/grpc-compression.js';
import type { Method } from '../../schema/method.js';
import type { Dispatcher, DispatchRoute, Requested } from '../dispatcher.js';
import { readRequest } from '../read-request.js';
import { streamPulse } from '../stream-pulse.js';
import { answerError } from './answers.js';
import type { Callers } from './callers.js';
import { Exchange } from './exchange.js';
import { Forms, type Form } from './form.js';
import { FramedRequests } from './framed-requests.js';
import { FramedSink } from './framed-sink.js';
import { connectTimeout, framingOf, refuseFramed, type Framing } from './framing.js';
import type { HttpLimits } from './limits.js';
import { packingFor } from './packing.js';
import { readQuery } from './query.js';
import { UnaryExchange } from './unary-exchange.js';

export interface CallsParts {
  readonly dispatcher: Dispatcher;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  readonly callers: Callers;
}

/** Reads calls from requests of HTTP and gives them to the dispatcher. */
export class Calls {
  readonly forms: Forms;
  readonly #parts: CallsParts;
  #foreign = false;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    this.forms = new Forms(parts.codecs);
  }

  /** Whether there was a caller that is no Octavo peer, which does not know what a refusal says of the call. */
  get foreign(): boolean {
    return this.#foreign;
  }

  /** One has called that is no Octavo peer. */
  strange(): void {
    this.#foreign = true;
  }

  /** A request and its response as one. */
  exchange(request: IncomingMessage, response: ServerResponse, beside: OutgoingHttpHeaders): Exchange {
    const { callers, clock, limits } = this.#parts;
    const { timeoutMs } = limits;
    return new Exchange({ request, response, beside, caller: callers.of(request), clock, timeoutMs });
  }

  /** Takes a call whose request is in its body. */
  post(exchange: Exchange, method: Method): void {
    const form = this.#form(exchange);
    if (form === undefined || !carries(form, method)) return this.#unsupported(exchange, method);
    const framing = framingOf(form);
    try {
      this.#check(exchange);
      if (framing === undefined) this.#unary(exchange, method, form);
      else this.#framed(exchange, method, form, framing);
    } catch (reason) {
      this.#refuse(exchange, form, framing, OctavoError.from(reason));
    }
  }

  /** Takes a call of an idempotent endpoint whose request is in the query. */
  get(exchange: Exchange, method: Method): void {
    const { dispatcher, clock, limits } = this.#parts;
    try {
      this.#check(exchange);
      const { form, packed, message } = readQuery(exchange.request.url ?? '', this.forms, method.endpoint);
      const route = dispatcher.admit(method.endpoint);
      const context = this.#context(exchange, route, connectTimeout(exchange));
      const accepts = packingFor(exchange.header('accept-encoding'));
      const init = { exchange, form, method, context, clock, limits, packed, accepts };
      const call = new UnaryExchange({ ...init, query: message });
      dispatcher.dispatch(route, context, call, call);
    } catch (reason) {
      answerError(exchange, OctavoError.from(reason));
    }
  }

  /** Answers to a request that no endpoint takes, in its own form. */
  refuse(exchange: Exchange, error: OctavoError): void {
    const form = this.#form(exchange);
    const framing = form && framingOf(form);
    if (form !== undefined && framing !== undefined) refuseFramed(exchange, form, framing, error);
    else answerError(exchange, error, {}, error.code === 'unimplemented' ? 404 : undefined);
  }

  /** 405: says by what an endpoint is asked. */
  notAllowed(exchange: Exchange, method: Method): void {
    const [allow, how] = isIdempotent(method)
      ? ['GET, POST', 'GET or POST']
      : ['POST', 'POST, as only what is idempotent is there for GET'];
    const what = `${method.endpoint} is not there for ${exchange.request.method}: use ${how}`;
    answerError(exchange, new OctavoError('unimplemented', what, { executed: false }), { allow }, 405);
  }

  #refuse(exchange: Exchange, form: Form, framing: Framing | undefined, error: OctavoError): void {
    if (framing === undefined) answerError(exchange, error);
    else refuseFramed(exchange, form, framing, error);
  }

  #form(exchange: Exchange): Form | undefined {
    const contentType = exchange.header('content-type');
    return contentType === undefined ? undefined : this.forms.get(contentType);
  }

  #unary(exchange: Exchange, method: Method, form: Form): void {
    const { dispatcher, clock, limits } = this.#parts;
    const packed = grpcEncoding(exchange.header('content-encoding'));
    const accepts = packingFor(exchange.header('accept-encoding'));
    const route = dispatcher.admit(method.endpoint);
    const context = this.#context(exchange, route, connectTimeout(exchange));
    const call = new UnaryExchange({ exchange, form, method, context, clock, limits, packed, accepts });
    dispatcher.dispatch(route, context, call, call);
  }

  #framed(exchange: Exchange, method: Method, form: Form, framing: Framing): void {
    const { dispatcher, limits } = this.#parts;
    const { maxMessageBytes } = limits;
    const packed = grpcEncoding(exchange.header(framing.encoding));
    const accepts = packingFor(exchange.header(framing.acceptEncoding));
    const route = dispatcher.admit(method.endpoint);
    const context = this.#context(exchange, route, framing.timeoutMs(exchange));
    const pulse = streamPulse(method, context, this.#parts.limits.streamIdleMs);
    const read = (body: Uint8Array): unknown => {
      context.meter?.received(body.length);
      return readRequest(form.codec, body, method.request);
    };
    const base64 = form.protocol === 'grpc-web-text';
    const requests = new FramedRequests({ exchange, base64, packed, maxMessageBytes, read, pulse });
    const sink = new FramedSink({ exchange, form, framing, method, context, limits, accepts, pulse });
    const many = method.kind === 'client' || method.kind === 'bidi';
    const request = many ? { read: () => requests } : onlyOne(requests, method, read);
    dispatcher.dispatch(route, context, request, sink);
  }

  #context(exchange: Exchange, route: DispatchRoute, timeoutMs: number | undefined): Context {
    const { dispatcher, clock } = this.#parts;
    if (timeoutMs === 0)
      throw new OctavoError('deadline_exceeded', 'the request came too late: it had no time left', {
        executed: false,
      });
    const { peer } = exchange;
    const metadata = (): ReturnType<Exchange['metadata']> => exchange.metadata();
    const context = dispatcher.context(route, { now: clock.now(), timeoutMs, metadata, peer });
    exchange.onClose(() => {
      if (!context.ended) context.cancel(new OctavoError('cancelled', 'the caller went away'));
    });
    return context;
  }

  /** @throws what is wrong with a request whatever it asks for */
  #check(exchange: Exchange): void {
    const { maxHeaders } = this.#parts.limits;
    if (!exchange.peer.octavo) this.strange();
    if (exchange.request.rawHeaders.length > 2 * maxHeaders)
      throw new OctavoError(
        'resource_exhausted',
        `the request has more than ${maxHeaders} headers (maxHeaders)`,
        { executed: false },
      );
    const version = exchange.header('connect-protocol-version');
    if (version !== undefined && version !== '1')
      throw new OctavoError(
        'invalid_argument',
        `the header Connect-Protocol-Version is "${version.slice(0, 20)}": version 1 is spoken here`,
        { executed: false },
      );
  }

  /** 415: says what the endpoint takes. */
  #unsupported(exchange: Exchange, method: Method): void {
    const types = this.forms.contentTypes.filter((type) => carries(this.forms.get(type), method));
    const sent = exchange.header('content-type')?.split(';')[0];
    const got = sent === undefined ? 'a body without Content-Type' : `"${sent.slice(0, 80)}"`;
    const kind = method.kind === 'unary' ? 'it' : 'as a stream it';
    const what = `${method.endpoint} does not take ${got}: ${kind} takes ${types.join(', ')}`;
    const error = new OctavoError('invalid_argument', what, { executed: false });
    answerError(exchange, error, { 'accept-post': types.join(', ') }, 415);
  }
}

/** Whether a call may be asked by GET. */
export function isIdempotent({ kind, options }: Method): boolean {
  return kind === 'unary' && options.idempotent === true;
}

/** Whether a form can carry a method: Connect has one for those without streams, and another for those with. */
function carries(form: Form | undefined, { kind }: Method): boolean {
  if (form?.protocol === 'connect') return kind === 'unary';
  return form !== undefined && (form.protocol !== 'connect-stream' || kind !== 'unary');
}

async function onlyOne(
  requests: FramedRequests,
  { endpoint }: Method,
  read: (body: Uint8Array) => unknown,
): Promise<Requested> {
  const body = await requests.only(endpoint);
  return { read: () => read(body) };
}
