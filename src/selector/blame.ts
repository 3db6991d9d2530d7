import type { Code, OctavoError } from '../core/error.js';

const AGAINST: ReadonlySet<Code> = new Set([
  'unavailable',
  'deadline_exceeded',
  'internal',
  'unknown',
  'data_loss',
  'resource_exhausted',
]);

/** Whether an error says something against the node that it came from, and not against the request or whoever made it. */
export function isAgainstNode({ code }: OctavoError): boolean {
  return AGAINST.has(code);
}
