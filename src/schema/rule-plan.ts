import type { MetadataStorage } from 'class-validator';

import { quickRulesOf } from './quick-rules.js';
import { reachable } from './shape.js';
import type { FieldShape, MessageShape } from './shape.js';

/** What is to be checked in messages of one class. */
export interface RulePlan {
  readonly shape: MessageShape;
  /** Whether neither this class nor any that it refers to has rules. */
  readonly idle: boolean;
  /** Whether the class itself has rules. */
  readonly rules: boolean;
  /** Whether a message keeps the rules of the class itself. `false` means that class-validator has to say. */
  readonly keeps: (message: object) => boolean;
  /** The fields whose messages are checked after the message itself. */
  readonly nested: { readonly field: FieldShape; readonly plan: RulePlan }[];
  /** The properties that hold messages. */
  readonly messages: ReadonlySet<string>;
}

/** The plan of a shape and of all that it refers to, from the rules that there are by now. */
export function planOf(shape: MessageShape, plans = new Map<MessageShape, RulePlan>()): RulePlan {
  const known = plans.get(shape);
  if (known !== undefined) return known;
  const holders = shape.fields.filter(({ value }) => value.kind === 'message');
  const messages = new Set(holders.map(({ property }) => property));
  const plan: RulePlan = {
    shape,
    idle: ![...reachable(shape)].some(hasRules),
    rules: hasRules(shape),
    keeps: keeper(shape, messages),
    nested: [],
    messages,
  };
  plans.set(shape, plan);
  for (const field of holders) {
    const inner = field.value.kind === 'message' ? planOf(field.value.message, plans) : plan;
    if (!inner.idle) plan.nested.push({ field, plan: inner });
  }
  return plan;
}

/** The message as what class-validator takes: it finds the rules by the constructor, and that of a plain object has none. */
export function instanceOf(message: object, { type }: MessageShape): object {
  if (message instanceof type) return message;
  return Object.assign(Object.create(type.prototype as object) as object, message);
}

function keeper(shape: MessageShape, messages: ReadonlySet<string>): RulePlan['keeps'] {
  const store = ruleStore();
  const rules = store === undefined ? undefined : quickRulesOf(store, shape.type, messages);
  return (message) => rules?.(instanceOf(message, shape)) === true;
}

function hasRules({ type }: MessageShape): boolean {
  const store = ruleStore();
  return store !== undefined && store.getTargetValidationMetadatas(type, '', false, false).length > 0;
}

/** class-validator keeps its rules in one global store, which is there as soon as any class has a rule. */
export function ruleStore(): MetadataStorage | undefined {
  // The store is the package's own, so that its type is the package's too.
  return (globalThis as { classValidatorMetadataStorage?: MetadataStorage }).classValidatorMetadataStorage;
}
