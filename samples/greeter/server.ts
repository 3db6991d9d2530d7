// `npm run greeter`: the greeter alone, until it is told to stop.
import { run } from '../../src/index.js';
import { GreeterServer } from './greeter.js';

await run(GreeterServer);
