// `npm run shop`: three services that call each other and a customer of them, in four processes.
import { Stage } from '../stage.js';

const stage = new Stage(import.meta.url, 'notification'.length);
const stock = stage.start('stock', 'serve.js', 'stock');
const others = ['order', 'notification'].map((name) => stage.start(name, 'serve.js', name));
const services = [stock, ...others];
// What the tour sets off in the end is for the stock to say.
const last = Promise.all([stock.line(/^nobody waits/), stock.line(/was cancelled/)]);
const tour = stage.start('tour', 'tour.js');
const status = await tour.ended;
if (status === 0) await Promise.race([last, stock.ended]);
stage.close(status, ...(await Promise.all(services.map((each) => each.stop()))));
