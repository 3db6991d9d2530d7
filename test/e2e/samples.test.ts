import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { freeUdpPort } from '../support/udp-port.js';

/** Runs a sample, where no other one is heard, and gives the lines of each of its processes. */
async function lines(sample: string): Promise<Record<string, string[]>> {
  const registry = { MICRO_REGISTRY: 'mdns', MICRO_REGISTRY_ADDRESS: `127.0.0.1:${await freeUdpPort()}` };
  const child = spawn(process.execPath, ['--enable-source-maps', `dist/samples/${sample}/main.js`], {
    env: { PATH: process.env['PATH'], ...registry, MICRO_LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: Record<string, string[]> = {};
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, name = '', text = ''] = /^(\w+) +(.*)$/.exec(line) ?? [];
    (said[name] ??= []).push(text);
  });
  const [status] = await once(child, 'close');
  assert.equal(status, 0, JSON.stringify(said, undefined, 2));
  return said;
}

test('npm start shows what README says', async () => {
  assert.deepEqual(await lines('greeter'), {
    server: ['the event "good morning" arrived on the topic greetings'],
    client: [
      'unary          Hello Ada',
      'server stream  1 2 3',
      'client stream  the sum is 6',
      'bidi stream    1 2 3',
      'event          published',
      'error          not_found: nobody is called Nobody',
      'bad request    invalid_argument: greeter.HelloRequest.name: name must be longer than or equal to 1 characters',
    ],
  });
});

test('npm run shop shows three services that call each other', async () => {
  const { tour, stock = [], ...others } = await lines('shop');
  assert.deepEqual(tour, [
    'placed       order 1: 2 of "teapot"',
    'event        Ada was told: order 1 is placed: 2 of "teapot"',
    'watched      placed, picked, packed, shipped',
    'refused      failed_precondition: there is not enough of "teapot": order less [{"type":"not_enough","article":"teapot","wanted":99,"left":8}]',
    'bad request  invalid_argument: customer, count',
    'in time      order 1 arrives in 3 days',
    'too late     deadline_exceeded',
    'following    order 3 is placed',
    'following    order 3 is picked',
    'left         order 3 is not followed any more',
    'cancelled    order 3',
    'gone         not_found: order 3 is not known',
  ]);
  const left = [others['notification'], others['order'], stock].map((said) =>
    Number.parseInt(said?.[0] ?? ''),
  );
  const [first = NaN, second = NaN, third = NaN] = left;
  assert.ok(
    2_000 >= first && first > second && second > third && third > 0,
    `${left.join(', ')} ms are left`,
  );
  // The second call is too late for the stock.
  assert.deepEqual(
    [stock[0], ...stock.slice(1).sort()],
    [
      `${third} ms are left to say when order 1 can leave`,
      'nobody waits for order 3 any more: the caller went away',
      'order 3 was cancelled: 1 of "piano" are left',
    ],
  );
});
