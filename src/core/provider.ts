/** Names a thing that can be injected: its class, abstract or not. */
export type Token<T> = abstract new (...args: never[]) => T;

/** Finds what is registered under a token. Throws `failed_precondition` with the whole chain when nothing is. */
export type Resolve = <T>(token: Token<T>) => T;

/**
 * Makes the implementation of one slot: options were given before, dependencies come now.
 *
 * The result opens nothing until its `start`.
 */
export type Provider<T> = (resolve: Resolve) => T;

/** Makes what a token stands for, now or a little later. */
export type Factory<T> = (resolve: Resolve) => T | Promise<T>;

/** Something a user adds to the container: `[Database, () => new Database()]`. */
export type Provided<T = unknown> = readonly [Token<T>, Factory<T>];
