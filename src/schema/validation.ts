import { createRequire } from 'node:module';

import type { ValidationError } from 'class-validator';

import { invalidArgument } from '../core/error.js';
import type { FieldViolation } from '../core/error.js';
import { Fault, MAX_DEPTH, checkDepth } from './fault.js';
import { isAbsent, keyed } from './given.js';
import { instanceOf, planOf } from './rule-plan.js';
import type { RulePlan } from './rule-plan.js';
import type { FieldShape, MessageShape } from './shape.js';

/** The most violations that one error lists. */
const MAX_VIOLATIONS = 100;

/** The most messages with rules that one message may hold: class-validator takes some microseconds for each. */
const MAX_CHECKS = 100_000;

/** Throws `invalid_argument` for a message that breaks a rule. */
type Validator = (message: object) => void;

/** The validator of a shape. It looks for rules at its first call, and loads class-validator only if there are any. */
export function validatorOf(shape: MessageShape): Validator {
  let plan: RulePlan | undefined;
  return (message) => {
    plan ??= planOf(shape);
    if (plan.idle || passes(message, plan, 0, { left: MAX_CHECKS })) return;
    const found: FieldViolation[] = [];
    visit(message, plan, { path: '', depth: 0, found, checks: { left: MAX_CHECKS } });
    const [first] = found;
    if (first === undefined) return;
    const more = found.length === 1 ? '' : ` (and ${found.length - 1} more)`;
    throw invalidArgument(`${shape.name}.${first.field}: ${first.description}${more}`, found);
  };
}

/** How many messages may still be checked. */
interface Checks {
  left: number;
}

interface Visit {
  readonly path: string;
  readonly depth: number;
  readonly found: FieldViolation[];
  readonly checks: Checks;
}

/** Whether nothing is wrong, without a word about what is: nearly all messages pass. Those that do not are visited. */
function passes(message: unknown, plan: RulePlan, depth: number, checks: Checks): boolean {
  if (depth > MAX_DEPTH) return false;
  if (typeof message !== 'object' || message === null) return true;
  if (plan.rules && (--checks.left < 0 || !plan.keeps(message))) return false;
  for (const { field, plan: inner } of plan.nested) {
    // Fields are looked up by the names that the decorators recorded.
    const value = (message as Readonly<Record<string, unknown>>)[field.property];
    if (field.label === 'single') {
      if (!passes(value, inner, depth + 1, checks)) return false;
    } else if (!isAbsent(value))
      for (const item of valuesOf(value, field)) if (!passes(item, inner, depth + 1, checks)) return false;
  }
  return true;
}

/** The messages of a list or map; of anything else the value itself. */
function valuesOf(value: unknown, { label }: FieldShape): Iterable<unknown> {
  if (label === 'repeated') return Array.isArray(value) ? value : [value];
  return value instanceof Map ? value.values() : Object.values(value as object);
}

function visit(message: unknown, plan: RulePlan, { path, depth, found, checks }: Visit): void {
  checkDepth(depth);
  if (typeof message !== 'object' || message === null) return;
  if (plan.rules) {
    if (--checks.left < 0) throw new Fault(`more than ${MAX_CHECKS} messages with rules in one message`);
    if (!plan.keeps(message)) check(message, plan, path, found);
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

function check(message: object, { shape, messages }: RulePlan, path: string, found: FieldViolation[]): void {
  for (const error of classValidator().validateSync(instanceOf(message, shape)))
    collect(error, path, messages, found);
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

const require = createRequire(import.meta.url);
let loaded: typeof import('class-validator') | undefined;

/** Loaded late: it costs more than 100 ms, and only messages with rules need it. Once, as looking a package up costs more than a check. */
function classValidator(): typeof import('class-validator') {
  // require() has no types; this is the package that the types were imported from.
  return (loaded ??= require('class-validator') as typeof import('class-validator'));
}
