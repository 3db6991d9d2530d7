import { Clock, type Context, type HandlersOf, Service, Subscribe } from '../../src/index.js';
import { type Note, Notification, NotificationsSentPublisher } from './contract/notification.js';
import { OrderClient, type OrderId, OrdersPlaced } from './contract/order.js';

/** How long it takes to look something up, in milliseconds. */
const LOOKUP_MS = 100;

@Service(Notification)
export class NotificationServer implements HandlersOf<Notification> {
  constructor(
    private readonly order: OrderClient,
    private readonly sent: NotificationsSentPublisher,
    private readonly clock: Clock,
  ) {}

  @Subscribe(OrdersPlaced, { queue: 'notification', retry: { attempts: 3 } })
  async onPlaced({ id }: OrderId): Promise<void> {
    const { customer, article, count } = await this.order.get({ id });
    await this.sent.publish({ to: customer, text: `order ${id} is placed: ${count} of "${article}"` });
  }

  async *follow({ id }: OrderId): AsyncIterable<Note> {
    const { customer } = await this.order.get({ id });
    for await (const { status } of this.order.watch({ id }))
      yield { to: customer, text: `order ${id} is ${status}` };
  }

  async arrival({ id }: OrderId, context: Context): Promise<Note> {
    process.stdout.write(`${Math.round(context.remainingMs)} ms are left to say when order ${id} arrives\n`);
    await this.clock.sleep(LOOKUP_MS, context.signal);
    const { days } = await this.order.forecast({ id });
    return { to: '', text: `order ${id} arrives in ${days} days` };
  }
}
