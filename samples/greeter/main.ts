// `npm start`: the greeter and a client of it, two processes.
import { Stage } from '../stage.js';

const stage = new Stage(import.meta.url, 'server'.length);
const server = stage.start('server', 'server.js');
const arrived = server.line(/^the event /);
const tour = stage.start('client', 'tour.js');
const status = await tour.ended;
// The client only publishes; that the event arrived is for the server to say.
if (status === 0) await Promise.race([arrived, server.ended]);
stage.close(status, await server.stop());
