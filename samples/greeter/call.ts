// `npm run greeter:call -- NAME`: says hello to somebody.
import { createService, OctavoError } from '../../src/index.js';
import { GreeterClient } from './contract.js';

const [name, ...more] = process.argv.slice(2);
if (name === undefined || name === '--help' || name === '-h' || more.length > 0) {
  process.stdout.write(
    'usage: npm run greeter:call -- NAME\n\nSays hello to NAME. MICRO_SERVER_ADDRESS names a server to call without discovery.\n',
  );
  process.exit(name === undefined ? 2 : 0);
}

const service = createService({ name: 'caller' });
await service.start();
const address = process.env['MICRO_SERVER_ADDRESS'];
try {
  const reply = await service.resolve(GreeterClient).hello({ name }, { ...(address && { address }) });
  process.stdout.write(`${reply.message}\n`);
} catch (error) {
  if (!(error instanceof OctavoError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await service.stop();
}
