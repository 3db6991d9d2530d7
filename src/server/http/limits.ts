/** How much travels at once, and for how long it may take: the server's options with their defaults. */
export interface HttpLimits {
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly timeoutMs: number;
  readonly headerTimeoutMs: number;
  readonly idleMs: number;
  readonly keepaliveMs: number;
  readonly streamIdleMs: number;
  readonly maxConnections: number;
  readonly compressMinBytes: number;
}
