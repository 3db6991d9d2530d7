import { Length, Min } from 'class-validator';
import {
  ClientOf,
  Field,
  Handler,
  MapField,
  Message,
  OneOf,
  Repeated,
  Service,
} from '../../../decorators/index.js';
import type { Context } from '../../../src/core/context.js';
import { OctavoError } from '../../../src/core/error.js';
import { protoEnum } from '../../../src/schema/proto-enum.js';
import { Signal } from '../../conformance/probe.js';

// The service that the matrix calls on every wire: whatever a wire may lose is in its one message.

const Size = protoEnum('matrix.Size', { SIZE_SMALL: 0, SIZE_LARGE: 1 });

@Message('matrix.Label')
export class Label {
  @Field(1, 'string') text = '';
}

@Message('matrix.Parcel')
export class Parcel {
  @Field(1, 'string') @Length(0, 40_000) text = '';
  @Field(2, 'int32') @Min(0) count = 0;
  @Field(3, 'int64') big = 0n;
  @Field(4, 'double') weight = 0;
  @Field(5, 'bytes') data = new Uint8Array();
  @Field(6, Size) size = 0;
  @Field(7, Label) label?: Label;
  @Repeated(8, 'string') tags: string[] = [];
  @MapField(9, 'string', 'int64') stock = new Map<string, bigint>();
  @Field(10, 'google.protobuf.Timestamp') sentAt?: Date;
  @OneOf('to') @Field(11, 'string') street?: string;
  @OneOf('to') @Field(12, 'int32') box?: number;
  @Field(13, 'bool') fragile = false;
}

/** A parcel in which every field says something, at the edges of what it can hold. */
export const FULL = {
  text: 'é 日本 \u{1f4e6}',
  count: 2 ** 31 - 1,
  big: -(2n ** 63n),
  weight: 0.1,
  data: Uint8Array.of(0, 127, 255),
  size: Size.SIZE_LARGE,
  label: Object.assign(new Label(), { text: 'inner' }),
  tags: ['a', '', 'c'],
  stock: new Map([['x', 2n ** 63n - 1n]]),
  sentAt: new Date('2026-01-02T03:04:05.678Z'),
  box: 7,
  fragile: true,
};

function parcel(text: string, count = 0): Parcel {
  return Object.assign(new Parcel(), { text, count });
}

@Service({ name: 'matrix', version: '1.0.0', package: 'matrix', endpoint: 'Matrix' })
export class Matrix {
  /** Why each cancelled call was cancelled. */
  readonly cancelled = new Signal<string>();
  /** A call waits now. */
  readonly waiting = new Signal<() => void>();
  handled = 0;
  produced = 0;
  taken = 0;

  @Handler(Parcel, Parcel, { idempotent: true })
  async echo(request: Parcel): Promise<Parcel> {
    this.handled++;
    return request;
  }

  /** Replies with as many characters as asked for. */
  @Handler(Parcel, Parcel)
  async fill({ count }: Parcel): Promise<Parcel> {
    return parcel('x'.repeat(count));
  }

  @Handler(Parcel, Parcel)
  async fail({ text }: Parcel): Promise<Parcel> {
    if (text === 'plain') throw new Error('a secret of the house');
    throw new OctavoError('failed_precondition', 'not yet é', { details: [{ type: 'wait', forMs: 5 }] });
  }

  /** What a handler knows of its call. */
  @Handler(Parcel, Parcel)
  async facts(_: Parcel, context: Context): Promise<Parcel> {
    context.reply.header.append('Reply-Header', 'é').append('Many', '1').append('Many', '2');
    context.reply.trailer.append('Reply-Trailer', 'end');
    const tags = [...context.metadata].map(([name, value]) => `${name.toLowerCase()}=${value}`).sort();
    return Object.assign(parcel(context.endpoint, Math.round(Math.min(context.remainingMs, 1e9))), { tags });
  }

  /** Never ends by itself, and tells when it is cancelled. */
  @Handler(Parcel, Parcel)
  async wait(_: Parcel, context: Context): Promise<Parcel> {
    context.onCancel((reason) => this.cancelled.fire(reason.code));
    await new Promise<void>((resolve) => this.waiting.fire(resolve));
    return parcel('released');
  }
}

/** The same with streams, for wires that carry them. */
@Service()
export class StreamMatrix extends Matrix {
  @Handler(Parcel, Parcel, { stream: 'server' })
  async *list({ text, count }: Parcel, context: Context): AsyncIterable<Parcel> {
    context.onCancel((reason) => this.cancelled.fire(reason.code));
    for (let n = 1; n <= count; n++) yield parcel(text, n);
    if (text === 'fail')
      throw new OctavoError('out_of_range', 'that was the last', { details: [{ type: 'wait', forMs: 5 }] });
    if (text === 'wait') await new Promise(() => {});
  }

  /** Items of a kilobyte for as long as somebody takes them. */
  @Handler(Parcel, Parcel, { stream: 'server' })
  async *flood(): AsyncIterable<Parcel> {
    for (;;) {
      this.produced++;
      yield parcel('x'.repeat(1_000), this.produced);
    }
  }

  @Handler(Parcel, Parcel, { stream: 'client' })
  async sum(parcels: AsyncIterable<Parcel>): Promise<Parcel> {
    let sum = 0;
    for await (const { count } of parcels) sum += count;
    return parcel('sum', sum);
  }

  /** Takes one item, and no more until it is let go. */
  @Handler(Parcel, Parcel, { stream: 'client' })
  async hold(parcels: AsyncIterable<Parcel>): Promise<Parcel> {
    for await (const _ of parcels) {
      this.taken++;
      await new Promise<void>((resolve) => this.waiting.fire(resolve));
      break;
    }
    return parcel('held', this.taken);
  }

  @Handler(Parcel, Parcel, { stream: 'bidi' })
  async *chat(parcels: AsyncIterable<Parcel>): AsyncIterable<Parcel> {
    for await (const { text, count } of parcels) yield parcel(text, count);
    yield parcel('goodbye');
  }
}

export class MatrixClient extends ClientOf(StreamMatrix) {}
