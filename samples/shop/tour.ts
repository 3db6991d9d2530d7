// A customer of the shop. Each line shows one thing that services do with each other.
import { createService, OctavoError, Service, Subscribe } from '../../src/index.js';
import { type Note, NotificationClient, NotificationsSent } from './contract/notification.js';
import { OrderClient } from './contract/order.js';
import { traced } from './traced.js';

let told = (_note: Note): void => {};
const firstNote = new Promise<Note>((resolve) => (told = resolve));

@Service({ name: 'customer' })
class Customer {
  @Subscribe(NotificationsSent)
  onSent(note: Note): void {
    told(note);
  }
}

const service = createService({ services: [Customer], ...(await traced('customer')) });
await service.start();
const order = service.resolve(OrderClient);
const notification = service.resolve(NotificationClient);

// Every service has this endpoint. The calls wait for the services to show up.
for (const name of ['stock', 'order', 'notification'])
  await service.client.call(
    { service: name, endpoint: 'Debug.Health', contentType: 'application/json', body: {} },
    { waitForReady: true, timeoutMs: 20_000 },
  );

// order calls stock, and publishes; notification hears of it, asks order for the rest, and publishes.
const teapots = await order.place({ customer: 'Ada', article: 'teapot', count: 2 });
show('placed', `order ${teapots.id}: ${teapots.count} of "${teapots.article}"`);
const { to, text } = await firstNote;
show('event', `${to} was told: ${text}`);

// order makes this stream out of one of stock's.
const statuses: string[] = [];
for await (const { status } of order.watch(teapots)) statuses.push(status);
show('watched', statuses.join(', '));

// It is stock that refuses; code and details come through order as they are.
await order.place({ customer: 'Ada', article: 'teapot', count: 99 }).catch((error: unknown) => {
  const { code, message, details } = failure(error);
  show('refused', `${code}: ${message} ${JSON.stringify(details)}`);
});

await order.place({ customer: '', article: 'teapot' }).catch((error: unknown) => {
  const { code, violations } = failure(error);
  show('bad request', `${code}: ${violations.map(({ field }) => field).join(', ')}`);
});

// Each hop has what the one before left of the time, and says how much that is.
const arrival = await notification.arrival({ id: teapots.id }, { timeoutMs: 2_000 });
show('in time', arrival.text);
await notification.arrival({ id: teapots.id }, { timeoutMs: 150 }).catch((error: unknown) => {
  show('too late', failure(error).code);
});

// Packing a piano takes a while. Leaving the loop ends the streams of notification, of order and of stock.
const piano = await order.place({ customer: 'Ada', article: 'piano', count: 1 });
for await (const { text: news } of notification.follow({ id: piano.id })) {
  show('following', news);
  if (news.endsWith('picked')) break;
}
show('left', `order ${piano.id} is not followed any more`);

await order.cancel({ id: piano.id });
show('cancelled', `order ${piano.id}`);
await order.get({ id: piano.id }).catch((error: unknown) => {
  const { code, message } = failure(error);
  show('gone', `${code}: ${message}`);
});

await service.stop();

function show(what: string, line: string): void {
  process.stdout.write(`${what.padEnd(12)} ${line}\n`);
}

function failure(error: unknown): OctavoError {
  if (error instanceof OctavoError) return error;
  throw error;
}
