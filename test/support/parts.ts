import { SystemClock } from '../../src/core/system-clock.js';
import { TestLogger } from '../../src/testing/test-logger.js';

/** The machine's clock and a logger that keeps what it is told. */
export function parts(): { readonly clock: SystemClock; readonly logger: TestLogger } {
  return { clock: new SystemClock(), logger: new TestLogger() };
}
