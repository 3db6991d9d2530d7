import assert from 'node:assert/strict';
import { OctavoError, type Code } from '../../../src/core/error.js';
import type { MaybePromise } from '../../../src/core/lifecycle.js';
import type { Message } from '../../../src/core/message.js';
import { Metadata, type MetadataInit } from '../../../src/core/metadata.js';
import type { Listener, Socket, Transport } from '../../../src/transport/transport.js';

// What the checks of a transport say to each other, and who answers.

/** Any free address, for transports that take `host:port`. */
export const ANY = '127.0.0.1:0';

/** The message of a call. */
export function message(body: string | Uint8Array, header: MetadataInit = {}): Message {
  return {
    header: new Metadata(header).set('Micro-Service', 'x'),
    body: typeof body === 'string' ? Buffer.from(body) : body,
  };
}

/** A message of a stream. */
export function item(body: string | Uint8Array, stream = '1'): Message {
  return message(body, { 'Micro-Stream': stream });
}

export function text(received: Message | undefined): string | undefined {
  return received === undefined ? undefined : Buffer.from(received.body).toString();
}

/** What a listener does with a socket, by and by. A socket that breaks meanwhile is the check's business, not its. */
export function answering(answer: (socket: Socket) => Promise<void>): (socket: Socket) => void {
  return (socket) => void answer(socket).catch((reason: unknown) => assert.ok(reason instanceof OctavoError));
}

/** Answers one message by itself and closes. */
export const echo = answering(async (socket) => {
  const received = await socket.receive();
  if (received !== undefined) await socket.send(received);
  socket.close();
});

/** Answers every message of a stream until the other end closes. */
export const echoAll = answering(async (socket) => {
  for (let received = await socket.receive(); received !== undefined; received = await socket.receive())
    await socket.send(received);
  socket.close();
});

/** Sends one message on a socket of its own, and gives what comes back. */
export async function call(
  transport: Transport,
  { address }: Listener,
  sent: Message,
): Promise<Message | undefined> {
  const socket = await transport.dial(address);
  try {
    await socket.send(sent);
    return await socket.receive();
  } finally {
    socket.close();
  }
}

/** A stream with both its ends: the one that dialled has sent `open`, and the other has received it. */
export async function bothEnds(transport: Transport): Promise<{ near: Socket; far: Socket }> {
  const accepted = later<Socket>();
  const { address } = await transport.listen(ANY, accepted.resolve);
  const near = await transport.dial(address, { stream: true });
  await near.send(item('open'));
  const far = await accepted.promise;
  assert.equal(text(await far.receive()), 'open');
  return { near, far };
}

/** All that comes until the end. */
export async function rest(socket: Socket): Promise<string[]> {
  const bodies: string[] = [];
  for (let next = await socket.receive(); next !== undefined; next = await socket.receive())
    bodies.push(text(next) ?? '');
  return bodies;
}

export function fails(run: () => MaybePromise<unknown>, code: Code): Promise<void> {
  return assert.rejects(
    async () => run(),
    (reason) => reason instanceof OctavoError && reason.code === code,
  );
}

/** A promise and what resolves it. */
export function later<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
