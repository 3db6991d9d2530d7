import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { OrderClient, OrdersPlaced } from '../../samples/shop/contract/order.js';
import { StockClient } from '../../samples/shop/contract/stock.js';
import { OrderServer } from '../../samples/shop/order.js';
import { Broker } from '../../src/broker/broker.js';
import { OctavoError } from '../../src/core/error.js';
import { fakeClient, TestApp, TestBroker } from '../../src/testing/index.js';

test('what the stock refuses is not placed', async () => {
  const reserve = async () => {
    throw new OctavoError('failed_precondition', 'sold out');
  };
  const broker = new TestBroker();
  await using app = await TestApp.create({ services: [OrderServer] })
    .override(StockClient, fakeClient(StockClient, { reserve }))
    .override(Broker, broker)
    .start();
  const placing = app.client(OrderClient).place({ customer: 'Ada', article: 'teapot', count: 1 });
  await assert.rejects(placing, /sold out/);
  assert.deepEqual(broker.publishedTo(OrdersPlaced), []);
});

test('docs/testing.md shows the test above', () => {
  const [, shown] = /^(test\('what [^]*?^}\);)$/m.exec(readFileSync('test/e2e/shop.test.ts', 'utf8')) ?? [];
  assert.ok(shown !== undefined && readFileSync('docs/testing.md', 'utf8').includes(`\n${shown}\n`));
});
