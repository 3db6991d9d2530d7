import { type Context, OctavoError, Service, Subscribe } from '../../src/index.js';
import {
  type CountRequest,
  Greeter,
  type Greeting,
  Greetings,
  type HelloReply,
  type HelloRequest,
  type SumReply,
  type Tick,
} from './contract.js';

@Service(Greeter)
export class GreeterServer implements Greeter {
  async hello({ name }: HelloRequest): Promise<HelloReply> {
    if (name === 'Nobody') throw new OctavoError('not_found', 'nobody is called Nobody');
    return { message: `Hello ${name}` };
  }

  async *count({ to }: CountRequest): AsyncIterable<Tick> {
    for (let value = 1; value <= to; value++) yield { value };
  }

  async sum(ticks: AsyncIterable<Tick>): Promise<SumReply> {
    let total = 0n;
    for await (const { value } of ticks) total += BigInt(value);
    return { total };
  }

  async *echo(ticks: AsyncIterable<Tick>): AsyncIterable<Tick> {
    yield* ticks;
  }

  @Subscribe(Greetings, { queue: 'greeter' })
  async onGreeting({ text }: Greeting, context: Context): Promise<void> {
    process.stdout.write(`the event "${text}" arrived on the topic ${context.endpoint}\n`);
  }
}
