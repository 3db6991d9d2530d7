import {
  ClientOf,
  Field,
  Handler,
  MapField,
  Message,
  PublisherOf,
  Service,
  protoEnum,
  topic,
  unimplemented,
  type EnumValue,
} from '../../../src/index.js';

// What `test/interop/peers/greeter.proto` says, and the service that the Go peers serve, in Octavo.

export const Mood = protoEnum('greeter.Mood', { UNKNOWN: 0, GLAD: 1 });

@Message('greeter.Request')
export class Request {
  @Field(1, 'string') name = '';
  @Field(2, 'int32') count = 0;
  @Field(3, 'int64') bigNumber = 0n;
  @Field(4, Mood) mood: EnumValue<typeof Mood> = 0;
  @Field(5, 'int32') delayMs = 0;
}

@Message('greeter.Reply')
export class Reply {
  @Field(1, 'string') text = '';
  @Field(2, 'int64') bigNumber = 0n;
  @Field(3, Mood) mood: EnumValue<typeof Mood> = 0;
  @Field(4, 'string') node = '';
  @MapField(5, 'string', 'string') metadata = new Map<string, string>();
}

@Message('greeter.Event')
export class Event {
  @Field(1, 'string') text = '';
}

@Service({ name: 'greeter', version: '1' })
export class Greeter {
  @Handler(Request, Reply)
  hello(_request: Request): Promise<Reply> {
    return unimplemented();
  }
  @Handler(Request, Reply)
  empty(_request: Request): Promise<Reply> {
    return unimplemented();
  }
  @Handler(Request, Reply)
  fail(_request: Request): Promise<Reply> {
    return unimplemented();
  }
  @Handler(Request, Reply)
  slow(_request: Request): Promise<Reply> {
    return unimplemented();
  }
  @Handler(Request, Reply, { stream: 'bidi' })
  chat(_requests: AsyncIterable<Request>): AsyncIterable<Reply> {
    return unimplemented();
  }
  @Handler(Request, Reply, { stream: 'server' })
  count(_request: Request): AsyncIterable<Reply> {
    return unimplemented();
  }
}

/** Only Go peers have it: requests and replies there are plain structs. */
@Service({ name: 'greeter', version: '1' })
export class Plain {
  @Handler(Request, Reply)
  hello(_request: Request): Promise<Reply> {
    return unimplemented();
  }
}

/** Only Go peers have it: passes calls on. */
@Service({ name: 'relay', version: '1' })
export class Relay {
  @Handler(Request, Reply)
  hello(_request: Request): Promise<Reply> {
    return unimplemented();
  }
  @Handler(Request, Reply)
  chat(_request: Request): Promise<Reply> {
    return unimplemented();
  }
  @Handler(Request, Reply, { stream: 'bidi' })
  mixed(_requests: AsyncIterable<Request>): AsyncIterable<Reply> {
    return unimplemented();
  }
}

export class GreeterClient extends ClientOf(Greeter) {}
export class PlainClient extends ClientOf(Plain) {}
export class RelayClient extends ClientOf(Relay) {}

export const Events = topic('events', Event);
export class EventsPublisher extends PublisherOf(Events) {}
