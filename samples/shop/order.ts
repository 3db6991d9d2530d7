import { Clock, type Context, type HandlersOf, OctavoError, Service } from '../../src/index.js';
import {
  Order,
  type OrderDetails,
  type OrderId,
  OrdersCancelledPublisher,
  OrdersPlacedPublisher,
  type OrderStatus,
  type PlaceRequest,
} from './contract/order.js';
import { type Forecast, StockClient } from './contract/stock.js';

/** How long it takes to look something up, in milliseconds. */
const LOOKUP_MS = 100;

@Service(Order)
export class OrderServer implements HandlersOf<Order> {
  readonly #orders = new Map<string, OrderDetails>();
  #placed = 0;

  constructor(
    private readonly stock: StockClient,
    private readonly placed: OrdersPlacedPublisher,
    private readonly cancelled: OrdersCancelledPublisher,
    private readonly clock: Clock,
  ) {}

  async place({ customer, article, count }: PlaceRequest): Promise<OrderDetails> {
    const id = String(++this.#placed);
    // What the stock refuses with goes on to the caller as it is.
    await this.stock.reserve({ orderId: id, article, count });
    const order = { id, customer, article, count };
    this.#orders.set(id, order);
    await this.placed.publish({ id });
    return order;
  }

  async get({ id }: OrderId): Promise<OrderDetails> {
    return this.#find(id);
  }

  async cancel({ id }: OrderId): Promise<OrderDetails> {
    const order = this.#find(id);
    this.#orders.delete(id);
    await this.cancelled.publish(order);
    return order;
  }

  async *watch({ id }: OrderId): AsyncIterable<OrderStatus> {
    this.#find(id);
    yield { status: 'placed' };
    // Whoever leaves the loop over what this gives leaves this one, too.
    for await (const { name } of this.stock.progress({ orderId: id })) yield { status: name };
  }

  async forecast({ id }: OrderId, context: Context): Promise<Forecast> {
    process.stdout.write(`${Math.round(context.remainingMs)} ms are left to say when order ${id} is there\n`);
    await this.clock.sleep(LOOKUP_MS, context.signal);
    const { days } = await this.stock.forecast({ orderId: this.#find(id).id });
    return { days: days + 1 };
  }

  #find(id: string): OrderDetails {
    const order = this.#orders.get(id);
    if (order === undefined) throw new OctavoError('not_found', `order ${id} is not known`);
    return order;
  }
}
