import { ClientOf, Field, Handler, Message, Service } from '../../decorators/index.js';
import { OctavoError } from '../../src/core/error.js';

// The service that the recordings are of, written in Octavo.

@Message('greeter.Request')
export class Request {
  @Field(1, 'string') name = '';
  @Field(2, 'int32') n = 0;
}

@Message('greeter.Response')
export class Response {
  @Field(1, 'string') msg = '';
}

@Service({ name: 'greeter', version: '1', endpoint: 'Greeter' })
export class GoGreeter {
  @Handler(Request, Response)
  async hello({ name }: Request): Promise<Response> {
    return { msg: `Hello ${name}` };
  }

  @Handler(Request, Response)
  async bad({ name }: Request): Promise<Response> {
    throw new OctavoError('invalid_argument', `bad <${name}> é`, { id: 'greeter.bad' });
  }

  @Handler(Request, Response, { stream: 'bidi' })
  async *stream(requests: AsyncIterable<Request>): AsyncIterable<Response> {
    for await (const { name, n } of requests) {
      if (name === 'err') throw new OctavoError('not_found', 'nope', { id: 'greeter.stream' });
      for (let at = 0; at < n; at++) yield { msg: `${name}-${at}` };
    }
  }
}

export class GoGreeterClient extends ClientOf(GoGreeter) {}
