import type { GrpcEncoding } from '../../core/grpc-compression.js';

/** How a reply may be packed for a caller that reads what the header says, as `accept-encoding` has it: gzip, which all of them know, or not at all. */
export function packingFor(accepted: string | undefined): GrpcEncoding | undefined {
  if (accepted === undefined) return undefined;
  const gzip = /(?:^|,)\s*gzip\s*(?:;\s*q=([\d.]+))?\s*(?:,|$)/i.exec(accepted);
  return gzip === null || Number(gzip[1] ?? 1) === 0 ? undefined : 'gzip';
}
