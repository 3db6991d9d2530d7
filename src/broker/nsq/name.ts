import { OctavoError } from '../../core/error.js';

/** NSQ's own rule for names, which an nsqd that is given another confirms and forgets. */
export function checkName(what: string, name: string): void {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(name) || /^[A-Za-z0-9._-]{1,54}#ephemeral$/.test(name)) return;
  throw new OctavoError(
    'invalid_argument',
    `"${name}" is no ${what} of NSQ's: use letters, digits, ".", "_" and "-", at most 64`,
  );
}
