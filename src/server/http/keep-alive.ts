import type { ServerHttp2Session } from 'node:http2';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';

export interface KeepAliveOptions {
  /** For how long the other end may take to speak HTTP/2, in milliseconds; `0` is for ever. */
  readonly headerTimeoutMs: number;
  /** For how long a connection that carries nothing is kept, in milliseconds; `0` is for ever. */
  readonly idleMs: number;
  /** After which silence the other end is taken for dead, in milliseconds; `0` is never. */
  readonly keepaliveMs: number;
  readonly clock: Clock;
}

/** Closes a connection of HTTP/2 whose other end does not speak it, is not there any more, or has no more use for it. */
export function keepAlive(
  session: ServerHttp2Session,
  { headerTimeoutMs, idleMs, keepaliveMs, clock }: KeepAliveOptions,
  refused: (error: OctavoError) => void,
): void {
  let timer: Timer | undefined;
  const later = (ms: number, run: () => void): void => {
    timer?.cancel();
    timer = ms === 0 ? undefined : clock.after(ms, run, { background: true });
  };
  const end = (what: string): void => {
    refused(new OctavoError('deadline_exceeded', what));
    session.destroy();
  };
  const ask = (): void => {
    if (session.destroyed) return;
    later(keepaliveMs, () => end(`the caller was silent for ${keepaliveMs} ms (keepaliveMs)`));
    session.ping(() => later(keepaliveMs, ask));
  };
  later(headerTimeoutMs, () => end(`nothing of HTTP/2 came within ${headerTimeoutMs} ms (headerTimeoutMs)`));
  session.once('remoteSettings', () => later(keepaliveMs, ask));
  session.once('close', () => timer?.cancel());
  // Its errors are told to those who wait on its streams.
  session.on('error', () => {});
  if (idleMs > 0) session.setTimeout(idleMs, () => session.close());
}
