import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Broker, type BrokerGuarantees } from '../../src/broker/broker.js';
import { MemoryRegistry } from '../../src/registry/memory.js';
import { parts } from '../support/parts.js';

type Make = new (options: object, parts: object) => Broker;

/** The broker behind a door, made and not started. */
async function behind(door: string): Promise<Broker> {
  const module = (await import(`../../src/${door}.js`)) as Readonly<Record<string, unknown>>;
  const found = Object.values(module).find(
    // A class is known by its prototype, and a broker's takes options and parts.
    (each): each is Make => typeof each === 'function' && each.prototype instanceof Broker,
  );
  assert.ok(found, `${door} exports no broker`);
  return new found({}, { ...parts(), registry: new MemoryRegistry({}, parts()) });
}

function row(name: string, guarantees: BrokerGuarantees): string[] {
  const { delivery, durable, ordering, queues, redelivery } = guarantees;
  const yes = (holds: boolean): string => (holds ? 'yes' : 'no');
  return [name, delivery, yes(durable), ordering, yes(queues), yes(redelivery)];
}

describe('the table of the brokers', () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    exports: Readonly<Record<string, unknown>>;
  };
  const doors = Object.keys(exports).filter((door) => door.startsWith('./broker/'));
  const rows = (readFileSync('docs/providers/README.md', 'utf8').split('## Brokers')[1] ?? '')
    .split('\n')
    .filter((line) => /^\| \[?`/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) =>
          cell
            .trim()
            .replaceAll('`', '')
            .replace(/^\[(.*)\]\(.*\)$/, '$1'),
        ),
    );

  it('has a row for every door, and no other', () => {
    const names = doors.map((door) => door.replace('./broker/', ''));
    assert.deepEqual(rows.map(([name = '']) => name).toSorted(), names.toSorted());
  });

  for (const door of doors)
    it(`says of ${door} what the code says`, async () => {
      const { name, guarantees } = await behind(door.slice(2));
      const found = rows.find(([each]) => each === name);
      assert.deepEqual(found?.slice(0, 6), row(name, guarantees));
      assert.ok((found?.[6] ?? '').length > 10, 'it says what is lost');
    });
});
