import { OctavoError } from './error.js';

/**
 * Loads an optional package when it is first needed.
 *
 * @param who what needs it, as the message calls it: `the etcd registry`
 * @throws `failed_precondition` that says what to install when the package is not there
 */
export async function peer<T>(who: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new OctavoError('failed_precondition', `${who} needs the package "${name}": npm install ${name}`, {
      cause,
    });
  }
}
