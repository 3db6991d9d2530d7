// A client of the greeter that shows each kind of call, one line each.
import { createService, OctavoError } from '../../src/index.js';
import { GreeterClient, GreetingsPublisher, type Tick } from './contract.js';

const service = createService({ name: 'tour' });
await service.start();
const greeter = service.resolve(GreeterClient);
const greetings = service.resolve(GreetingsPublisher);

/** The first call waits for the service to show up. */
const patient = { waitForReady: true, timeoutMs: 20_000 };

const { message } = await greeter.hello({ name: 'Ada' }, patient);
show('unary', message);

show('server stream', await valuesOf(greeter.count({ to: 3 })));

const { total } = await greeter.sum(ticks(1, 2, 3));
show('client stream', `the sum is ${total}`);

show('bidi stream', await valuesOf(greeter.echo(ticks(1, 2, 3))));

await greetings.publish({ text: 'good morning' });
show('event', 'published');

await greeter.hello({ name: 'Nobody' }).catch((error: unknown) => show('error', told(error)));
await greeter.hello({ name: '' }).catch((error: unknown) => show('bad request', told(error)));

await service.stop();

function show(what: string, text: string): void {
  process.stdout.write(`${what.padEnd(14)} ${text}\n`);
}

async function* ticks(...values: readonly number[]): AsyncIterable<{ value: number }> {
  for (const value of values) yield { value };
}

async function valuesOf(stream: AsyncIterable<Tick>): Promise<string> {
  const values: number[] = [];
  for await (const { value } of stream) values.push(value);
  return values.join(' ');
}

function told(error: unknown): string {
  if (!(error instanceof OctavoError)) throw error;
  return `${error.code}: ${error.message}`;
}
