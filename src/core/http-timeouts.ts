/** How often Node looks through the connections of a server, in milliseconds. */
const CHECKED_EVERY_MS = { most: 1_000, least: 10 };

/** What one of Node's HTTP servers has to be told so that a request arrives within a time or is cut off. */
export interface HttpTimeouts {
  readonly requestTimeout: number;
  readonly headersTimeout: number;
  readonly connectionsCheckingInterval: number;
}

/**
 * Gives a request `ms` milliseconds to arrive, from the opening of its connection, or from its first byte, to the last byte of its body.
 *
 * `requestTimeout` alone does not: left to itself, Node waits up to 60 s for a header, and looks at its connections every 30 s only.
 */
export function httpTimeouts(ms: number): HttpTimeouts {
  return {
    requestTimeout: ms,
    headersTimeout: ms,
    connectionsCheckingInterval: Math.max(CHECKED_EVERY_MS.least, Math.min(CHECKED_EVERY_MS.most, ms)),
  };
}
