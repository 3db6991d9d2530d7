import { Length } from 'class-validator';
import { ClientOf, Field, Handler, Message, Repeated, Service, Subscribe } from '../../decorators/index.js';
import { Context, type EventContext } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { topic } from '../../src/schema/topic.js';

// What the conformance suites of client and server call: one service with a method for each thing that can happen.

@Message('conformance.Ask')
export class Ask {
  @Field(1, 'string') @Length(0, 20) text = '';
  @Field(2, 'int32') count = 0;
}

@Message('conformance.Told')
export class Told {
  @Field(1, 'string') @Length(0, 1_000) text = '';
  @Field(2, 'int32') count = 0;
  @Repeated(3, 'string') lines: string[] = [];
}

export const Things = topic('things', Ask);

/** Something that happened, for a test to wait for. */
export class Signal<T> {
  readonly #values: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  fire(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#values.push(value);
    else waiting(value);
  }

  /** Forgets what nobody waited for. */
  clear(): void {
    this.#values.length = 0;
  }

  next(): Promise<T> {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift() as T); // its length was just looked at
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function told(text: string, count = 0, lines: string[] = []): Told {
  return Object.assign(new Told(), { text, count, lines });
}

/** The half of {@link Probe} that has no streams, for transports that carry none. */
@Service({ name: 'probe', version: '1.0.0', package: 'conformance', endpoint: 'Probe' })
export class CallProbe {
  /** The reason each cancelled call was cancelled for. */
  readonly cancelled = new Signal<string>();
  /** The events that came, with their attempt. */
  readonly events = new Signal<{ text: string; attempt: number; from: string | undefined }>();
  /** Gives what lets a handler go that waits in `wait`. */
  readonly waiting = new Signal<() => void>();
  calls = 0;
  /** How many of the next calls of `again` and `once` fail with `unavailable`, after they were executed. */
  failures = 0;

  #shaky(): Told {
    this.calls++;
    if (this.calls <= this.failures)
      throw new OctavoError('unavailable', `not now, for the ${this.calls}. time`);
    return told('done', this.calls);
  }

  @Handler(Ask, Told, { idempotent: true })
  async again(): Promise<Told> {
    return this.#shaky();
  }

  @Handler(Ask, Told)
  async once(): Promise<Told> {
    return this.#shaky();
  }

  @Handler(Ask, Told)
  async echo({ text, count }: Ask): Promise<Told> {
    this.calls++;
    return told(text, count);
  }

  @Handler(Ask, Told)
  async fail({ text }: Ask): Promise<Told> {
    if (text === 'details')
      throw new OctavoError('failed_precondition', 'not yet é', { details: [{ type: 'wait', forMs: 5 }] });
    if (text === 'plain') throw new Error('a secret of the house');
    if (text === 'string') throw 'a secret of the house';
    if (text === 'undefined') throw undefined;
    if (text === 'bad reply') return { text: 1 } as unknown as Told;
    throw new OctavoError('not_found', `no ${text}`);
  }

  /** Never ends by itself, and tells when it is cancelled. */
  @Handler(Ask, Told)
  async wait(_: Ask, context: Context): Promise<Told> {
    context.onCancel((reason) => this.cancelled.fire(reason.code));
    await new Promise<void>((resolve) => this.waiting.fire(resolve));
    return told('released');
  }

  @Handler(Ask, Told, { timeoutMs: 30 })
  async impatient(): Promise<Told> {
    return new Promise(() => {});
  }

  /** What a handler knows of its call. */
  @Handler(Ask, Told)
  async context({ text }: Ask, context: Context): Promise<Told> {
    await new Promise((resolve) => setImmediate(resolve));
    context.reply.header.append('Reply-Header', 'é').append('Many', '1').append('Many', '2');
    context.reply.trailer.append('Reply-Trailer', 'end');
    if (text === 'bad header') context.reply.header.append('a', 'b\r\nc: d');
    if (text === 'bad trailer') context.reply.trailer.append('Timeout', '1');
    if (text === 'many headers') for (let n = 0; n < 1_000; n++) context.reply.header.append('a', 'b');
    const lines = [...context.metadata].map(([name, value]) => `${name.toLowerCase()}=${value}`).sort();
    const same = Context.current() === context && context.peer.address !== '';
    return told(
      same ? context.endpoint : 'another context',
      Math.round(Math.min(context.remainingMs, 1e9)),
      lines,
    );
  }

  @Subscribe(Things, { retry: { attempts: 3, backoff: () => 1 }, deadLetter: true })
  async onThing({ text }: Ask, context: EventContext): Promise<void> {
    this.events.fire({ text, attempt: context.attempt, from: context.metadata.get('From') });
    if (text === 'never' || (text === 'later' && context.attempt < 3)) throw new Error('not now');
  }
}

@Service()
export class Probe extends CallProbe {
  @Handler(Ask, Told, { stream: 'server' })
  async *count({ text, count }: Ask, context: Context): AsyncIterable<Told> {
    context.onCancel((reason) => this.cancelled.fire(reason.code));
    context.reply.header.append('Reply-Header', 'first');
    if (text === 'bad header') context.reply.header.append('a', 'b\r\nc: d');
    if (text === 'bad trailer') context.reply.trailer.append('a', 'b\0');
    for (let n = 1; n <= count; n++) yield told(text, n);
    context.reply.trailer.append('Reply-Trailer', 'last');
    if (text === 'fail') throw new OctavoError('out_of_range', 'that was the last');
    if (text === 'wait') await new Promise(() => {});
  }

  @Handler(Ask, Told, { stream: 'client' })
  async sum(asks: AsyncIterable<Ask>): Promise<Told> {
    let sum = 0;
    for await (const { text, count } of asks) {
      if (text === 'stop') return told('stopped', sum);
      sum += count;
    }
    return told('sum', sum);
  }

  @Handler(Ask, Told, { stream: 'bidi' })
  async *chat(asks: AsyncIterable<Ask>, context: Context): AsyncIterable<Told> {
    context.onCancel((reason) => this.cancelled.fire(reason.code));
    for await (const { text, count } of asks) {
      if (text === 'fail') throw new OctavoError('aborted', 'enough');
      yield told(text, count);
    }
    yield told('goodbye');
  }
}

export class ProbeClient extends ClientOf(Probe) {}
