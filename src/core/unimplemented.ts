import { OctavoError } from './error.js';

/** The body of a contract's method: what a class must implement. Throws `unimplemented`. */
export function unimplemented(): never {
  throw new OctavoError('unimplemented', 'this is a contract: the class that implements it has the code');
}
