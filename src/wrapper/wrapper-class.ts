import { isInjectable } from '../core/dependencies.js';
import type { Resolve, Token } from '../core/provider.js';
import type { Place, Wrapper, WrapperLike, WrapperObject } from './wrapper.js';

/** The function that a wrapper is, or that stands for one that is a class. */
export function wrapperOf(each: WrapperLike, resolve: Resolve): Wrapper {
  if (!isWrapperClass(each)) return each;
  const object = resolve(each);
  const { exposes, joins, readings, guards } = object;
  const around: Wrapper = (call, next) => object.handle(call, next);
  return Object.assign(around, {
    unfit: (place: Place) => object.unfit?.(place),
    ...(exposes && { exposes }),
    ...(joins && { joins }),
    ...(readings && { readings: () => readings.call(object) }),
    ...(guards !== undefined && { guards }),
  });
}

/** A wrapper is a plain function; one that is a class has `handle`, or is marked for the container. */
function isWrapperClass(each: WrapperLike): each is Token<WrapperObject> {
  return (
    isInjectable(each) || typeof (each.prototype as Partial<WrapperObject> | undefined)?.handle === 'function'
  );
}
