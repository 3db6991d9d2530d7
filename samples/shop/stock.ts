import { Clock, type Context, type HandlersOf, OctavoError, Service, Subscribe } from '../../src/index.js';
import { type OrderDetails, OrdersCancelled } from './contract/order.js';
import {
  type Forecast,
  type Parcel,
  type ReserveReply,
  type ReserveRequest,
  Stock,
  type Step,
} from './contract/stock.js';

interface Article {
  left: number;
  /** How long each step of a parcel takes. */
  readonly stepMs: number;
}

interface Reserved {
  readonly article: Article;
  /** When, in milliseconds since the epoch. */
  readonly at: number;
}

const STEPS = ['picked', 'packed', 'shipped'];

/** How long it takes to look something up, in milliseconds. */
const LOOKUP_MS = 100;

@Service(Stock)
export class StockServer implements HandlersOf<Stock> {
  readonly #articles = new Map<string, Article>([
    ['teapot', { left: 10, stepMs: 50 }],
    ['piano', { left: 1, stepMs: 60_000 }],
  ]);
  readonly #reserved = new Map<string, Reserved>();

  constructor(private readonly clock: Clock) {}

  async reserve({ orderId, article: name, count }: ReserveRequest): Promise<ReserveReply> {
    const article = this.#articles.get(name);
    const left = article?.left ?? 0;
    if (article === undefined || left < count)
      throw new OctavoError('failed_precondition', `there is not enough of "${name}": order less`, {
        details: [{ type: 'not_enough', article: name, wanted: count, left }],
      });
    article.left -= count;
    this.#reserved.set(orderId, { article, at: this.clock.now() });
    return { left: article.left };
  }

  async *progress({ orderId }: Parcel, context: Context): AsyncIterable<Step> {
    const { article, at } = this.#find(orderId);
    context.onCancel(({ message }) => say(`nobody waits for order ${orderId} any more: ${message}`));
    for (const [n, name] of STEPS.entries()) {
      await this.clock.sleep(at + n * article.stepMs - this.clock.now(), context.signal);
      yield { name };
    }
  }

  async forecast({ orderId }: Parcel, context: Context): Promise<Forecast> {
    say(`${Math.round(context.remainingMs)} ms are left to say when order ${orderId} can leave`);
    await this.clock.sleep(LOOKUP_MS, context.signal);
    this.#find(orderId);
    return { days: 2 };
  }

  @Subscribe(OrdersCancelled, { queue: 'stock' })
  async onCancelled({ id, article, count }: OrderDetails): Promise<void> {
    const reserved = this.#reserved.get(id);
    if (reserved === undefined) return; // the event may come twice
    this.#reserved.delete(id);
    reserved.article.left += count;
    say(`order ${id} was cancelled: ${reserved.article.left} of "${article}" are left`);
  }

  #find(orderId: string): Reserved {
    const reserved = this.#reserved.get(orderId);
    if (reserved === undefined)
      throw new OctavoError('not_found', `nothing is reserved for order ${orderId}`);
    return reserved;
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
