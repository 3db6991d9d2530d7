import { isIP } from 'node:net';
import { OctavoError } from './error.js';

/** Where something listens or is reached. */
export interface HostPort {
  /** Without brackets; empty for all interfaces. */
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `host:port`, `[v6]:port` and `:port`.
 *
 * @throws `invalid_argument` that names the address
 */
export function parseAddress(address: string): HostPort {
  const match = /^(?:\[([\w:.%-]*)\]|([^\s:[\]]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new OctavoError(
      'invalid_argument',
      `"${address}" is no address: write host:port, such as 127.0.0.1:8080 or [::1]:8080`,
    );
  return { host: match[1] ?? match[2] ?? '', port };
}

/** Writes `host:port`, with brackets around IPv6. */
export function formatAddress(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 0) return host.toLowerCase() === 'localhost';
  return host === '::1' || host.startsWith('127.') || host.toLowerCase().startsWith('::ffff:127.');
}

/** Whether the host means every interface. */
export function isUnspecified(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::';
}
