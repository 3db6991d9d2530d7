import type { Socket } from 'node:net';
import { formatAddress } from '../../core/address.js';

/** Where a connection came from, as the log has it. */
export function hostOf({ remoteAddress = '' }: Socket): string {
  return remoteAddress;
}

/** The other end of a connection. */
export function remoteOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return formatAddress(remoteAddress, remotePort);
}
