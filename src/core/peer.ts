import { OctavoError } from './error.js';

/**
 * Loads an optional package.
 *
 * @param who what needs it, as the error says it: `the nats transport`
 * @throws `failed_precondition` that says what to install where the package is not there
 */
export async function peer<T>(who: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if (!isMissing(cause, name)) throw cause;
    throw new OctavoError('failed_precondition', `${who} needs a package: npm install ${name}`, { cause });
  }
}

/** Whether it is this package that is not there, and not one that it needs itself. */
function isMissing(cause: unknown, name: string): boolean {
  return (
    cause instanceof Error &&
    (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' &&
    cause.message.includes(`'${name}'`)
  );
}
