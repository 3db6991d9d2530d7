import { createRequire } from 'node:module';

import type { MetadataStorage, ValidationError } from 'class-validator';

import { invalidArgument } from '../core/error.js';
import type { FieldViolation } from '../core/error.js';
import { Fault, checkDepth } from './fault.js';
import { isAbsent, keyed } from './given.js';
import { reachable } from './shape.js';
import type { FieldShape, MessageShape } from './shape.js';

/** The most violations that one error lists. */
const MAX_VIOLATIONS = 100;

/** The most messages with rules that one message may hold: class-validator takes some microseconds for each. */
const MAX_CHECKS = 100_000;

/** Throws `invalid_argument` for a message that breaks a rule. */
type Validator = (message: object) => void;

/** The validator of a shape. It looks for rules at its first call, and loads class-validator only if there are any. */
export function validatorOf(shape: MessageShape): Validator {
  let plan: Plan | undefined;
  return (message) => {
    plan ??= planOf(shape, new Map());
    if (plan.idle) return;
    const found: FieldViolation[] = [];
    visit(message, plan, { path: '', depth: 0, found, checks: { left: MAX_CHECKS } });
    const [first] = found;
    if (first === undefined) return;
    const more = found.length === 1 ? '' : ` (and ${found.length - 1} more)`;
    throw invalidArgument(`${shape.name}.${first.field}: ${first.description}${more}`, found);
  };
}

/** What is to be checked in messages of one class. */
interface Plan {
  readonly shape: MessageShape;
  /** Whether neither this class nor any that it refers to has rules. */
  readonly idle: boolean;
  /** Whether the class itself has rules. */
  readonly rules: boolean;
  /** The fields whose messages are checked after the message itself. */
  readonly nested: { readonly field: FieldShape; readonly plan: Plan }[];
  /** The properties that hold messages. */
  readonly messages: ReadonlySet<string>;
}

interface Visit {
  readonly path: string;
  readonly depth: number;
  readonly found: FieldViolation[];
  readonly checks: { left: number };
}

function planOf(shape: MessageShape, plans: Map<MessageShape, Plan>): Plan {
  const known = plans.get(shape);
  if (known !== undefined) return known;
  const holders = shape.fields.filter(({ value }) => value.kind === 'message');
  const plan: Plan = {
    shape,
    idle: ![...reachable(shape)].some(hasRules),
    rules: hasRules(shape),
    nested: [],
    messages: new Set(holders.map(({ property }) => property)),
  };
  plans.set(shape, plan);
  for (const field of holders) {
    const inner = field.value.kind === 'message' ? planOf(field.value.message, plans) : plan;
    if (!inner.idle) plan.nested.push({ field, plan: inner });
  }
  return plan;
}

function visit(message: unknown, plan: Plan, { path, depth, found, checks }: Visit): void {
  checkDepth(depth);
  if (typeof message !== 'object' || message === null) return;
  if (plan.rules) {
    if (--checks.left < 0) throw new Fault(`more than ${MAX_CHECKS} messages with rules in one message`);
    check(message, plan, path, found);
  }
  for (const { field, plan: inner } of plan.nested) {
    // Fields are looked up by the names that the decorators recorded.
    const value = (message as Readonly<Record<string, unknown>>)[field.property];
    const start = path === '' ? field.property : `${path}.${field.property}`;
    for (const [segment, item] of itemsOf(value, field)) {
      if (found.length >= MAX_VIOLATIONS) return;
      visit(item, inner, { path: start + segment, depth: depth + 1, found, checks });
    }
  }
}

function* itemsOf(value: unknown, { label }: FieldShape): Iterable<[segment: string, item: unknown]> {
  if (isAbsent(value)) return;
  if (label === 'repeated' && Array.isArray(value))
    for (const [at, item] of value.entries()) yield [`[${at}]`, item];
  else if (label === 'map')
    for (const [key, item] of value instanceof Map ? value : Object.entries(value)) yield [keyed(key), item];
  else yield ['', value];
}

function check(
  message: object,
  { shape: { type }, messages }: Plan,
  path: string,
  found: FieldViolation[],
): void {
  // class-validator finds the rules by the constructor, and that of a plain object has none.
  const instance: object =
    message instanceof type ? message : Object.assign(Object.create(type.prototype as object), message);
  for (const error of classValidator().validateSync(instance)) collect(error, path, messages, found);
}

/** Adds what an error says. What class-validator found inside of messages is left out: they are visited themselves. */
function collect(
  { property, constraints = {}, children = [] }: ValidationError,
  path: string,
  messages: ReadonlySet<string>,
  found: FieldViolation[],
): void {
  const field = path === '' ? property : `${path}.${property}`;
  for (const description of Object.values(constraints))
    if (found.length < MAX_VIOLATIONS) found.push({ field, description });
  if (messages.has(property)) return;
  for (const child of children) collect(child, field, new Set(), found);
}

/** class-validator keeps its rules in one global store, which is there as soon as any class has a rule. */
function hasRules({ type }: MessageShape): boolean {
  // The store is the package's own, so that its type is the package's too.
  const { classValidatorMetadataStorage: store } = globalThis as {
    classValidatorMetadataStorage?: MetadataStorage;
  };
  return store !== undefined && store.getTargetValidationMetadatas(type, '', false, false).length > 0;
}

const require = createRequire(import.meta.url);
let loaded: typeof import('class-validator') | undefined;

/** Loaded late: it costs more than 100 ms, and only messages with rules need it. Once, as looking a package up costs more than a check. */
function classValidator(): typeof import('class-validator') {
  // require() has no types; this is the package that the types were imported from.
  return (loaded ??= require('class-validator') as typeof import('class-validator'));
}
