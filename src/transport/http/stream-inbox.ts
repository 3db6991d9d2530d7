import { Inbox } from '../../core/inbox.js';
import type { Message } from '../../core/message.js';

/** How much of a stream waits for its reader before the connection is paused, in bytes. */
const ROOM = 256 * 1024;
/** What a message counts beside its body, so that at most 64 wait, however small. */
const WEIGHT = 4 * 1024;

/** The messages of one call or stream that wait for their reader. `onDrain` is called when there is room again. */
export function streamInbox(onDrain: () => void): Inbox<Message> {
  return new Inbox<Message>(ROOM, onDrain, undefined, weigh);
}

function weigh({ body }: Message): number {
  return WEIGHT + body.length;
}
