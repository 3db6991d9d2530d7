import { ClientOf, Field, Handler, Message, Service, unimplemented } from '../src/index.js';

@Message('bench.Text')
export class Text {
  @Field(1, 'string') text = '';
}

/** What every variant does: a text comes back as it went. */
@Service({ name: 'bench', version: '1.0.0' })
export class Echo {
  @Handler(Text, Text, { idempotent: true })
  echo(_text: Text): Promise<Text> {
    return unimplemented();
  }

  @Handler(Text, Text, { stream: 'bidi' })
  stream(_texts: AsyncIterable<Text>): AsyncIterable<Text> {
    return unimplemented();
  }
}

export class EchoClient extends ClientOf(Echo) {}

@Service(Echo)
export class EchoServer implements Echo {
  async echo({ text }: Text): Promise<Text> {
    return { text };
  }

  stream(texts: AsyncIterable<Text>): AsyncIterable<Text> {
    return texts;
  }
}
