import { OctavoError } from '../core/error.js';

/** Who may call an endpoint, or cause an event: everybody, or whoever has one of these roles. */
export type Access = 'public' | readonly string[];

/** What `@Allow` and `@Public` say: of the class where `property` is `undefined`. */
export interface AccessFacts {
  readonly property: string | undefined;
  readonly access: Access;
}

/** What holds for a method, of facts that go from the base class down: the nearest of the method, and without one of the class. */
export function accessOf(facts: readonly AccessFacts[], property: string): Access | undefined {
  const own = facts.findLast((each) => each.property === property);
  return (own ?? facts.findLast((each) => each.property === undefined))?.access;
}

/** Throws `failed_precondition` for a fact about a method that nobody can call. */
export function checkAccess(
  type: string,
  facts: readonly AccessFacts[],
  properties: ReadonlySet<string>,
): void {
  for (const { property } of facts)
    if (property !== undefined && !properties.has(property))
      throw new OctavoError(
        'failed_precondition',
        `class ${type}: @Allow or @Public stands on "${property}", which has no @Handler and no @Subscribe: put one on it, or take it away`,
      );
}
