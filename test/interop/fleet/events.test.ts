import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Subscriber } from '../../../src/broker/broker.js';
import type { EventContext } from '../../../src/core/context.js';
import type { SubscriptionOptions } from '../../../src/server/server.js';
import { GoPeer, VERSIONS } from './go-peer.js';
import { Event, EventsPublisher } from './greeter.js';
import { octavo, serving, until, type Octavo } from './octavo.js';

/** What one of our subscribers got. */
interface Got {
  readonly text: string;
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const CONTENT_TYPES = ['application/protobuf', 'application/json'];
const MANY = 30;
const WARM = 'warm';

for (const version of VERSIONS)
  describe(`the http broker between Octavo and go-micro ${version}`, () => {
    let go: GoPeer;
    let service: Octavo;
    let publisher: Octavo;
    let subscribers: Subscriber[];
    /** Those who got what only shows that they are known. */
    const warmed = new Set<readonly Got[]>();
    before(async () => {
      go = new GoPeer(version);
      await go.ask({
        do: 'serve',
        service: 'listener',
        version: '1',
        serverID: 'go',
        subscribe: [{ topic: 'events' }, { topic: 'shared', queue: 'workers' }],
      });
      service = await serving();
      publisher = await octavo();
    });
    after(async () => {
      await publisher.stop();
      await service.stop();
      await go[Symbol.asyncDispose]();
    });
    beforeEach(() => {
      subscribers = [];
    });
    afterEach(async () => {
      for (const each of subscribers) await each.unsubscribe();
    });

    async function subscribe(topic: string, options: SubscriptionOptions = {}): Promise<Got[]> {
      const got: Got[] = [];
      const take = ({ text }: Event, context: EventContext): void => {
        if (text === WARM) return void warmed.add(got);
        got.push({ text, id: context.id, metadata: context.metadata.toJSON() });
        if (text === 'fail') throw new Error('refused');
      };
      subscribers.push(await service.subscribe(topic, Event, take, options));
      return got;
    }

    async function goPublishes(
      topic: string,
      text: string,
      more: Readonly<Record<string, unknown>> = {},
    ): Promise<void> {
      await go.ask({ do: 'publish', topic, text, ...more });
    }

    for (const contentType of CONTENT_TYPES) {
      it(`Go publishes ${contentType}: every Octavo subscriber gets it, with id and metadata`, async () => {
        const [one, two] = [await subscribe('from-go'), await subscribe('from-go')];
        await warm('from-go', [one, two]);
        await goPublishes('from-go', 'häppy', { contentType, metadata: { 'Tenant-Id': 'ä' } });
        await until(() => one.length === 1 && two.length === 1);
        for (const [got] of [one, two]) {
          assert.deepEqual([got?.text, got?.metadata], ['häppy', { 'Tenant-Id': 'ä' }]);
          assert.match(got?.id ?? '', /^[-0-9a-f]{36}$/);
        }
      });

      it(`Octavo publishes ${contentType}: Go gets it, with id and metadata`, async () => {
        await publisher.client.publish(
          { topic: 'events', type: Event, body: { text: 'häppy' }, contentType },
          { metadata: { 'Tenant-Id': 'ä' } },
        );
        const { text, metadata } = await go.event('message', { topic: 'events' });
        const names = metadata as Record<string, string>; // what the peer tells with a message
        assert.deepEqual(
          [text, names['Tenant-Id'], names['Micro-Topic'], names['Content-Type']],
          ['häppy', 'ä', 'events', contentType],
        );
        assert.match(names['Micro-ID'] ?? names['Micro-Id'] ?? '', /^[-0-9a-f]{36}$/);
      });
    }

    it('is one service in the registry, which both list', async () => {
      await subscribe('listed');
      assert.ok((await go.ask<string[]>({ do: 'list' })).includes('micro.http.broker'));
    });

    it('one queue of Go and Octavo subscribers: each event goes to one of them, whoever publishes', async () => {
      const ours = await subscribe('shared', { queue: 'workers' });
      await warm('shared', [ours]);
      for (let at = 0; at < MANY; at++) await goPublishes('shared', `go-${at}`);
      for (let at = 0; at < MANY; at++)
        await publisher.client.publish({ topic: 'shared', type: Event, body: { text: `octavo-${at}` } });
      const theirs = (): string[] => messages(go).filter((text) => text !== WARM);
      await until(() => ours.length + theirs().length >= 2 * MANY);
      const texts = [...ours.map(({ text }) => text), ...theirs()].sort();
      const wanted = ['go', 'octavo']
        .flatMap((by) => Array.from({ length: MANY }, (_, at) => `${by}-${at}`))
        .sort();
      assert.deepEqual(texts, wanted);
      for (const by of ['go-', 'octavo-']) {
        assert.ok(
          ours.some(({ text }) => text.startsWith(by)),
          `Octavo got none of ${by}`,
        );
        assert.ok(
          theirs().some((text) => text.startsWith(by)),
          `Go got none of ${by}`,
        );
      }
    });

    it('those with a queue share, those without get all, in one publish', async () => {
      const [all, one, two] = [
        await subscribe('mixed'),
        await subscribe('mixed', { queue: 'q' }),
        await subscribe('mixed', { queue: 'q' }),
      ];
      await warm('mixed', [all, one, two]);
      for (let at = 0; at < 5; at++) await goPublishes('mixed', String(at));
      await until(() => all.length === 5 && one.length + two.length === 5);
    });

    it('a handler that refuses an event is the subscriber’s affair: publishing does not fail, nor is it posted again', async () => {
      const got = await subscribe('refused');
      await warm('refused', [got]);
      await goPublishes('refused', 'fail');
      await until(() => got.length === 1);
      await publisher.resolve(EventsPublisher).publish({ text: 'fail' });
      await go.event('message', { text: 'fail' });
      await goPublishes('refused', 'after');
      await until(() => got.length === 2);
      assert.deepEqual(
        got.map(({ text }) => text),
        ['fail', 'after'],
      );
    });

    it('no event comes after the subscription has ended, and those of others do', async () => {
      const [gone, there] = [await subscribe('ending'), await subscribe('ending')];
      await warm('ending', [gone, there]);
      await subscribers[0]?.unsubscribe();
      await goPublishes('ending', 'after');
      await until(() => there.length === 1);
      assert.deepEqual(gone, []);
    });

    /** Publishes from the Go side until each of these got something: Go hears of new subscribers a moment later. */
    async function warm(topic: string, lists: readonly Got[][]): Promise<void> {
      await until(async () => {
        await goPublishes(topic, WARM);
        return lists.every((list) => warmed.has(list));
      });
    }
  });

/** The texts of what a Go peer got. */
function messages(go: GoPeer): string[] {
  return go.left('message').map(({ text }) => String(text));
}
