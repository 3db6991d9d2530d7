import { Length, Max, Min } from 'class-validator';
import {
  ClientOf,
  Field,
  Handler,
  Http,
  Message,
  PublisherOf,
  Service,
  topic,
  unimplemented,
} from '../../src/index.js';

@Message('greeter.HelloRequest')
export class HelloRequest {
  @Field(1, 'string') @Length(1, 64) name = '';
}

@Message('greeter.HelloReply')
export class HelloReply {
  @Field(1, 'string') message = '';
}

@Message('greeter.CountRequest')
export class CountRequest {
  @Field(1, 'int32') @Min(1) @Max(1_000) to = 0;
}

@Message('greeter.Tick')
export class Tick {
  @Field(1, 'int32') value = 0;
}

@Message('greeter.SumReply')
export class SumReply {
  @Field(1, 'int64') total = 0n;
}

@Message('greeter.Greeting')
export class Greeting {
  @Field(1, 'string') text = '';
}

/** What the service promises. Client and server share this class, and neither needs the other's code. */
@Service({ name: 'greeter', version: '1.0.0' })
export class Greeter {
  @Http('GET', '/hello/:name')
  @Handler(HelloRequest, HelloReply, { idempotent: true })
  hello(_request: HelloRequest): Promise<HelloReply> {
    return unimplemented();
  }

  @Handler(CountRequest, Tick, { stream: 'server' })
  count(_request: CountRequest): AsyncIterable<Tick> {
    return unimplemented();
  }

  @Handler(Tick, SumReply, { stream: 'client' })
  sum(_ticks: AsyncIterable<Tick>): Promise<SumReply> {
    return unimplemented();
  }

  @Handler(Tick, Tick, { stream: 'bidi' })
  echo(_ticks: AsyncIterable<Tick>): AsyncIterable<Tick> {
    return unimplemented();
  }
}

export class GreeterClient extends ClientOf(Greeter) {}

export const Greetings = topic('greetings', Greeting);

export class GreetingsPublisher extends PublisherOf(Greetings) {}
