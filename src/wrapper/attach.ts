import { OctavoError } from '../core/error.js';
import type { Access } from '../schema/access.js';
import type { Place, Wrapper } from './wrapper.js';

/** Asks wrappers whether they may stand at a place. Throws `failed_precondition` with what the first says that may not. */
export function attach(wrappers: readonly Wrapper[], place: Place): void {
  for (const { unfit } of wrappers) {
    const why = unfit?.(place);
    if (why !== undefined) throw new OctavoError('failed_precondition', `${place.name}: ${why}`);
  }
}

/** Throws `failed_precondition` where `@Allow` names roles that no wrapper asks for: everybody would be let in. */
export function checkGuarded(
  wrappers: readonly Wrapper[],
  { name, access }: { readonly name: string; readonly access: Access | undefined },
): void {
  if (access === undefined || access === 'public' || wrappers.some(({ guards }) => guards === true)) return;
  throw new OctavoError(
    'failed_precondition',
    `${name} is for ${access.join(' or ')} (@Allow), and no wrapper around it checks who calls: put one such as jwt() there, or @Public() on it`,
  );
}
