import { OctavoError } from './error.js';
import { tlsFault } from './tls-fault.js';

/** Who speaks with which server: what errors say. */
export interface RedisOwner {
  /** `the redis broker` */
  readonly who: string;
  /** The servers, without credentials. */
  readonly where: string;
  /** Whether by TLS. */
  readonly secure: boolean;
}

const STRANGER = /^(NOAUTH|WRONGPASS|ERR invalid password|ERR AUTH|ERR Client sent AUTH)/;
const LATER = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MISCONF|NOREPLICAS|TRYAGAIN|UNBLOCKED|BUSY )/;

/** What a command's rejection means. */
export function redisFault(owner: RedisOwner, reason: unknown): OctavoError {
  if (reason instanceof OctavoError) return reason;
  const { who, where } = owner;
  const text = messageOf(reason);
  const cause = { cause: bare(reason) };
  if (!isReply(reason) || LATER.test(text)) return noServer(owner, text);
  if (STRANGER.test(text))
    return new OctavoError(
      'unauthenticated',
      `the Redis server at ${where} refused ${who}: wrong user or password`,
      cause,
    );
  if (text.startsWith('NOPERM'))
    return new OctavoError('permission_denied', `the Redis server forbids it to ${who}: ${text}`, cause);
  if (text.startsWith('OOM'))
    return new OctavoError('resource_exhausted', `the Redis server at ${where} is full: ${text}`, cause);
  return new OctavoError('internal', `the Redis server at ${where} refused: ${text}`, cause);
}

export function noServer({ who, where }: RedisOwner, why: string, executed?: false): OctavoError {
  return new OctavoError(
    'unavailable',
    `${who} has no Redis server at ${where}: ${why}`,
    executed === false ? { executed } : {},
  );
}

/** Why no connection came about, and what to do. */
export function whyNot({ where, secure }: RedisOwner, cause: unknown): string {
  const text = messageOf(cause);
  const known = cause instanceof Error ? tlsFault(where, cause) : undefined;
  if (known !== undefined) return known;
  if (secure && /before secure TLS connection|^no answer/.test(text))
    return `${text}: does it speak TLS? Set tls there, or leave it out here`;
  if (!secure && text.includes('ECONNRESET'))
    return `${where} hung up: does it speak TLS only? Set tls, or write rediss://`;
  return `${text}: start one, or set addresses`;
}

/** Whether a server said so, and not the connection. */
export function isReply(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'ReplyError';
}

/** An error as a cause: the library's own have the command in them, with all that was sent, which may be a password. */
export function bare(reason: unknown): unknown {
  if (!(reason instanceof Error) || reason instanceof OctavoError) return reason;
  const error: NodeJS.ErrnoException = new Error(reason.message);
  error.name = reason.name;
  const { code } = reason as NodeJS.ErrnoException; // as those of the system have it
  if (code !== undefined) error.code = code;
  return error;
}

export function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
