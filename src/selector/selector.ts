import type { OctavoError } from '../core/error.js';
import type { Lifecycle, MaybePromise } from '../core/lifecycle.js';
import type { Metadata } from '../core/metadata.js';
import type { Node, ServiceRecord } from '../registry/registry.js';

/**
 * The node for the next attempt.
 *
 * @param tried ids of nodes that this call has tried: avoided while there are others
 */
export type NextNode = (tried?: ReadonlySet<string>) => Node;

/** Keeps some of what the registry gave. It must not change what it is given. */
export type Filter = (services: readonly ServiceRecord[]) => readonly ServiceRecord[];

/** What a selector knows of the attempts that are under way. */
export interface Load {
  /** How many go to a node of a service: those that began after somebody first asked, as counting costs something. */
  inFlight(service: string, node: Node): number;
}

/**
 * Chooses among nodes, of which there is at least one.
 *
 * It is called for each attempt, so what it must remember between calls (where round robin stands) it keeps by service name. The list is
 * the same one as long as nothing has changed.
 */
export type Strategy = (service: string, nodes: readonly Node[], load?: Load) => Node;

export interface SelectOptions {
  /** Each gets what the one before left. Pass the same functions at each call: what they leave is remembered by identity. */
  readonly filters?: readonly Filter[];
  /** @defaultValue the selector's own */
  readonly strategy?: Strategy;
  /** The call that a node is chosen for, as far as a selector may look at it. */
  readonly call?: { readonly metadata: Metadata };
  /** Whether it is only asked if there is a node, and no attempt follows. @defaultValue `false` */
  readonly probe?: boolean;
}

/**
 * Chooses the node that a call goes to.
 *
 * `octavo/conformance/selector` says whether an implementation is one.
 */
export abstract class Selector implements Lifecycle {
  /** What logs and errors call this implementation. */
  abstract readonly name: string;

  /**
   * Finds the nodes of a service.
   *
   * @throws or rejects with `unavailable` and `executed: false` when there is none: the message names the service, the registry and, where filters took all, how many they took
   */
  abstract select(service: string, options?: SelectOptions): MaybePromise<NextNode>;

  /** Says how an attempt ended, so that a selector can learn. Called once after every attempt, cancelled ones too. */
  abstract mark(service: string, node: Node, error?: OctavoError): void;

  /** Forgets what it learnt of a service. */
  abstract reset(service: string): void;

  abstract start(): MaybePromise<void>;
  abstract stop(): MaybePromise<void>;
}
