import { OctavoError } from '../core/error.js';
import type { ServiceRecord } from './registry.js';

/** @throws `invalid_argument` for a record that nobody would find: one without a name or a version, or with a node without an id */
export function checkRecord({ name, version, nodes }: ServiceRecord): void {
  if (name === '') throw new OctavoError('invalid_argument', 'a service without a name cannot be registered');
  // go-micro's watchers pass over records without a version.
  if (version === '')
    throw new OctavoError(
      'invalid_argument',
      `the service "${name}" has no version: give it one, such as "latest"`,
    );
  if (nodes.some(({ id }) => id === ''))
    throw new OctavoError('invalid_argument', `a node of the service "${name}" has no id: give it one`);
}

/** A copy that nobody can change. */
export function frozen<T>(value: T): T {
  return freeze(structuredClone(value));
}

/** The same value, which nobody can change from now on. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
