import type { Logger } from '../core/logger.js';
import type { Container } from './container.js';
import type { AppOptions } from './service.js';

/** What a service knows of the app that it is a part of. */
export interface Host {
  readonly options: AppOptions;
  /** What the services share. Throws `failed_precondition` before the start. */
  readonly container: Container;
  readonly logger: Logger;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Calls `listener` once, after the next stop, or a start that failed. */
  onStopped(listener: () => void): void;
}
