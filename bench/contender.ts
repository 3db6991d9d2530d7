import type { Load, LoadOptions } from './load.js';

/** How something is measured in each round. */
export const LOADS = {
  small: { size: 100, inFlight: 64, share: 1 },
  single: { size: 100, inFlight: 1, share: 0.3 },
  large: { size: 10_000, inFlight: 64, share: 0.5 },
  stream: { size: 100, inFlight: 8, share: 1, streams: true },
} as const satisfies Record<string, Omit<LoadOptions, 'ms'> & { readonly share: number }>;

export type LoadName = keyof typeof LOADS;

/** How one load went. */
export interface Sample extends Load {
  /** CPU time of one call, in microseconds: user and system. Without a client's where that is not what is measured. */
  readonly clientCpu: number | undefined;
  readonly serverCpu: number | undefined;
  /** In bytes; 0 for an end that is not there. */
  readonly clientRss: number;
  readonly serverRss: number;
}

/** What is measured against others. */
export interface Contender {
  readonly name: string;
  readonly loads: readonly LoadName[];
  /** Why it cannot run here, and what to do about it. */
  readonly missing?: () => string | undefined;
  /** Opens both ends. */
  start(options: StartOptions): Promise<Ends>;
}

export interface StartOptions {
  /** Where each end written in JavaScript leaves a profile of its CPU time. @defaultValue none is taken */
  readonly profiles?: string | undefined;
}

/** A contender that is up. */
export interface Ends {
  readonly about: string;
  run(options: LoadOptions): Promise<Sample>;
  stop(): Promise<void>;
}

/** Client and server together, as far as they are measured. */
export function cpuOf({ clientCpu = 0, serverCpu = 0 }: Sample): number {
  return clientCpu + serverCpu;
}
