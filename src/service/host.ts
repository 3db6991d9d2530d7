import type { Logger } from '../core/logger.js';
import type { Wrapper } from '../wrapper/wrapper.js';
import type { Container } from './container.js';
import type { AppOptions } from './service.js';

/** What a service knows of the app that it is a part of. */
export interface Host {
  readonly options: AppOptions;
  /** Stand around every handler, inside of all others. */
  readonly innermost: readonly Wrapper[];
  /** What the services share. Throws `failed_precondition` before the start. */
  readonly container: Container;
  readonly logger: Logger;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Calls `listener` once, after the next stop, or a start that failed. */
  onStopped(listener: () => void): void;
}
