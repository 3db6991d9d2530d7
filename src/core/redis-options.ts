import type { Clock } from './clock.js';
import type { Logger } from './logger.js';
import type { DialTls } from './tls.js';

/** Where a Redis server is, and how it is reached. */
export interface RedisOptions {
  /** `host:port`, `redis://user:pass@host:port/db` or `rediss://...`; of several the first that answers. @defaultValue `['127.0.0.1:6379']` */
  readonly addresses?: readonly string[];
  /** The user of an ACL. @defaultValue `default` */
  readonly user?: string;
  readonly pass?: string;
  /** The number of the database. Channels are the same in all. @defaultValue `0` */
  readonly db?: number;
  /** Certificates; `{}` insists on TLS with what Node knows. @defaultValue TLS for `rediss://` */
  readonly tls?: DialTls;
  /** For how long the start looks for a server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
}

export interface RedisParts {
  readonly clock: Clock;
  readonly logger: Logger;
}
