import { OctavoError } from '../core/error.js';
import { untilEnd } from './ending.js';
import { nameOf, type NamedBy } from './named-by.js';
import type { Call, Reading, Wrapper } from './wrapper.js';

export interface BulkheadOptions {
  /** How many calls, streams or events are in hand at once, under each name. @defaultValue `10` */
  readonly maxConcurrent?: number;
  /** How many more wait for a place, until their deadline. @defaultValue `0` */
  readonly maxQueue?: number;
  /** What has places of its own: `'all'`, `'service'`, `'endpoint'`, `'node'`, `'peer'`, `'principal'`, or what a function says. @defaultValue `'all'` */
  readonly by?: NamedBy;
}

export interface BulkheadStats {
  readonly running: number;
  readonly waiting: number;
  /** How many were refused since it was made. */
  readonly refused: number;
}

/** A wrapper that shows how full it is. */
export interface Bulkhead extends Wrapper {
  stats(): BulkheadStats;
}

interface Waiting {
  readonly admit: () => void;
}

/** The places under one name. It is kept while somebody is there. */
interface Room {
  running: number;
  readonly queue: Set<Waiting>;
}

/** Lets so many calls in at once, and refuses more with `resource_exhausted`, unexecuted. A handler that outlives its deadline keeps its place. */
export function bulkhead(options: BulkheadOptions = {}): Bulkhead {
  const { maxConcurrent = 10, maxQueue = 0, by = 'all' } = options;
  const rooms = new Map<string, Room>();
  let refused = 0;

  const leave = (name: string, room: Room): void => {
    const [first] = room.queue;
    if (first !== undefined) {
      room.queue.delete(first);
      return first.admit();
    }
    if (--room.running === 0) rooms.delete(name);
  };

  const wait = ({ context }: Call, room: Room): Promise<void> =>
    new Promise((resolve, reject) => {
      const waiting: Waiting = {
        admit: () => {
          forget();
          resolve();
        },
      };
      room.queue.add(waiting);
      const forget = context.onCancel((reason) => {
        // One that was cancelled before it came here is told at once.
        room.queue.delete(waiting);
        reject(reason);
      });
    });

  const enter = (call: Call, name: string): Room | Promise<Room> => {
    const room = rooms.get(name) ?? { running: 0, queue: new Set() };
    if (room.running < maxConcurrent) {
      room.running++;
      rooms.set(name, room);
      return room;
    }
    if (room.queue.size < maxQueue) return wait(call, room).then(() => room);
    refused++;
    const what = `${call.endpoint}: ${maxConcurrent} are in hand and ${room.queue.size} wait (bulkhead)`;
    throw new OctavoError('resource_exhausted', what, { executed: false });
  };

  const wrapper: Wrapper = async (call, next) => {
    const name = nameOf(call, by);
    const room = await enter(call, name);
    return untilEnd(call, next, { ended: () => leave(name, room) });
  };
  const sum = (count: (room: Room) => number): number =>
    [...rooms.values()].reduce((total, room) => total + count(room), 0);
  const stats = (): BulkheadStats => ({
    running: sum((room) => room.running),
    waiting: sum((room) => room.queue.size),
    refused,
  });
  const readings = function* (): Iterable<Reading> {
    const { running, waiting, refused: total } = stats();
    yield { what: 'bulkhead_running', name: '', value: running };
    yield { what: 'bulkhead_waiting', name: '', value: waiting };
    yield { what: 'bulkhead_refused_total', name: '', value: total };
  };
  return Object.assign(wrapper, { stats, readings });
}
