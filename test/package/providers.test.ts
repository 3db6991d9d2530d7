import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Broker, type BrokerGuarantees } from '../../src/broker/broker.js';
import { MemoryRegistry } from '../../src/registry/memory.js';
import { Transport } from '../../src/transport/transport.js';
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

/** The rows of the table under a heading, each cell without its marks. */
function rowsUnder(heading: string): string[][] {
  const [, text = ''] = PAGE.split(`## ${heading}\n`);
  return (text.split('\n## ')[0] ?? '')
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
}

const PAGE = readFileSync('docs/providers/README.md', 'utf8');
const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Readonly<Record<string, unknown>>;
};

describe('the table of the brokers', () => {
  const doors = Object.keys(exports).filter((door) => door.startsWith('./broker/'));
  const rows = rowsUnder('Brokers');

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

for (const [heading, kind] of [
  ['Registries', 'registry'],
  ['Transports', 'transport'],
] as const)
  it(`the table of the ${heading.toLowerCase()} has a row for every door, each full, and no other`, () => {
    const names = Object.keys(exports)
      .filter((door) => door.startsWith(`./${kind}/`))
      .map((door) => door.replace(`./${kind}/`, ''));
    const rows = rowsUnder(heading);
    assert.deepEqual(rows.map(([name = '']) => name).toSorted(), names.toSorted());
    for (const row of rows)
      assert.ok(row.every((cell) => cell !== '') && row.length === rows[0]?.length, row[0]);
  });

for (const [name, streams] of rowsUnder('Transports'))
  it(`the table says of the transport ${name} whether it has streams`, async () => {
    const module = (await import(`../../src/transport/${name}.js`)) as Readonly<Record<string, unknown>>;
    const found = Object.values(module).find(
      // As above: a transport's class takes options and parts.
      (each): each is new (options: object, parts: object) => Transport =>
        typeof each === 'function' && each.prototype instanceof Transport,
    );
    assert.ok(found, `${name} exports no transport`);
    assert.equal(new found({}, parts()).streams ? 'yes' : 'no', streams);
  });

it('every page that the tables link is there', () => {
  for (const [, page = ''] of PAGE.matchAll(/\]\(([\w-]+\.md)/g))
    assert.ok(existsSync(`docs/providers/${page}`), page);
});
