// One service of the shop, until it is told to stop: `node dist/samples/shop/serve.js order`.
import { run, type ServiceClass } from '../../src/index.js';
import { NotificationServer } from './notification.js';
import { OrderServer } from './order.js';
import { StockServer } from './stock.js';
import { traced } from './traced.js';

const SERVERS = new Map<string, ServiceClass>([
  ['order', OrderServer],
  ['stock', StockServer],
  ['notification', NotificationServer],
]);

const [name = ''] = process.argv.slice(2);
const server = SERVERS.get(name);
if (server === undefined) {
  process.stderr.write(`usage: serve.js NAME, one of ${[...SERVERS.keys()].join(', ')}\n`);
  process.exit(2);
}
await run(server, await traced(name));
