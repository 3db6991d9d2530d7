import { isLoopback, parseAddress } from './address.js';
import type { Logger } from './logger.js';

/** Says in the log who can reach something that listens without TLS. */
export function noteExposure(who: string, address: string, logger: Logger): void {
  if (isLoopback(parseAddress(address).host))
    logger.info(`${who} listens on loopback only, without TLS`, { address });
  else
    logger.warn(`${who} listens without TLS, where others can read and change what is sent: set tls`, {
      address,
    });
}
