import { OctavoError } from './error.js';

/** gRPC's units, in milliseconds. */
const UNITS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
/** What eight digits hold. */
const MOST = 99_999_999;

/**
 * What a `grpc-timeout` says, in milliseconds; `undefined` where there is none.
 *
 * @throws `invalid_argument` for what is none. Source: grpc.io `PROTOCOL-HTTP2.md`, Timeout.
 */
export function readGrpcTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = TIMEOUT.exec(text) ?? [];
  const ms = UNITS[unit];
  if (ms !== undefined) return Number(digits) * ms;
  throw new OctavoError(
    'invalid_argument',
    `the header grpc-timeout is "${text.slice(0, 20)}": it takes up to eight digits and one of H, M, S, m, u, n`,
    { executed: false },
  );
}

/** A time as a `grpc-timeout` says it: rather a little more than less. */
export function writeGrpcTimeout(ms: number): string {
  if (ms < 1) return `${Math.max(1, Math.ceil(ms * 1_000))}u`;
  for (const unit of ['m', 'S', 'M'] as const) {
    const count = Math.ceil(ms / (UNITS[unit] ?? 1));
    if (count <= MOST) return `${count}${unit}`;
  }
  return `${Math.min(MOST, Math.ceil(ms / 3_600_000))}H`;
}
