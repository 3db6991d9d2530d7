import type { JsonObject, JsonValue } from './json-value.js';
import type { MessageType } from './message-type.js';
import { ruleStore } from './rule-plan.js';

/** What JSON Schema says of a value beside its type. */
export interface JsonRules {
  /** Of the value itself; of a list, or of a map. */
  readonly own: JsonObject;
  /** Of each item. */
  readonly items: JsonObject;
}

/** What a rule says in JSON Schema: of texts, of numbers, or of lists. */
interface Keywords {
  readonly of: 'string' | 'number' | 'array' | 'any';
  readonly say: (constraints: readonly unknown[]) => JsonObject | undefined;
}

const text = (say: Keywords['say']): Keywords => ({ of: 'string', say });
const number = (say: Keywords['say']): Keywords => ({ of: 'number', say });
const list = (say: Keywords['say']): Keywords => ({ of: 'array', say });
const any = (say: Keywords['say']): Keywords => ({ of: 'any', say });
const format = (name: string): Keywords => text(() => ({ format: name }));

/** class-validator's rules that JSON Schema has a word for, by their names. */
const KEYWORDS: Readonly<Record<string, Keywords>> = {
  isLength: text(([min, max]) => ({ ...named('minLength', min), ...named('maxLength', max) })),
  minLength: text(([min]) => named('minLength', min)),
  maxLength: text(([max]) => named('maxLength', max)),
  isNotEmpty: text(() => ({ minLength: 1 })),
  matches: text(([pattern, flags]) => patternOf(pattern, flags)),
  isEmail: format('email'),
  isUuid: format('uuid'),
  isUrl: format('uri'),
  isISO8601: format('date-time'),
  isDateString: format('date-time'),
  isIp: text(([version]) =>
    String(version) === '4' || String(version) === '6' ? { format: `ipv${String(version)}` } : undefined,
  ),
  min: number(([min]) => named('minimum', min)),
  max: number(([max]) => named('maximum', max)),
  isPositive: number(() => ({ exclusiveMinimum: 0 })),
  isNegative: number(() => ({ exclusiveMaximum: 0 })),
  isInt: number(() => ({ multipleOf: 1 })),
  isDivisibleBy: number(([by]) => named('multipleOf', by)),
  arrayMinSize: list(([min]) => named('minItems', min)),
  arrayMaxSize: list(([max]) => named('maxItems', max)),
  arrayNotEmpty: list(() => ({ minItems: 1 })),
  arrayUnique: list(([by]) => (by === undefined ? { uniqueItems: true } : undefined)),
  isIn: any(([values]) => listed(values)),
  equals: any(([value]) => (isPrimitive(value) ? { const: value } : undefined)),
};

/**
 * The class-validator rules of one property as JSON Schema. Left out is what has no word there, and what holds under a condition only.
 *
 * @param types what the JSON of the property is, and what that of its items is: rules of other types say nothing there
 */
export function jsonRulesOf(
  type: MessageType,
  property: string,
  types: { readonly own: string | undefined; readonly items: string | undefined },
): JsonRules {
  const store = ruleStore();
  const all = store?.getTargetValidationMetadatas(type, '', false, false) ?? [];
  const rules = all.filter((rule) => rule.propertyName === property);
  const conditional = rules.some(
    (rule) => rule.type === 'conditionalValidation' && rule.name !== 'isOptional',
  );
  const said = { own: {} as JsonObject, items: {} as JsonObject };
  for (const rule of conditional ? [] : rules) {
    if (rule.validateIf !== undefined) continue;
    const place = rule.each ? 'items' : 'own';
    const keywords = KEYWORDS[rule.name ?? ''];
    if (keywords === undefined || (keywords.of !== 'any' && keywords.of !== types[place])) continue;
    // As class-validator declares them.
    const more = keywords.say((rule.constraints ?? []) as readonly unknown[]);
    said[place] = { ...said[place], ...more };
  }
  return said;
}

function named(keyword: string, value: unknown): JsonObject {
  return typeof value === 'number' && Number.isFinite(value) ? { [keyword]: value } : {};
}

/** JSON Schema's patterns have no flags. */
function patternOf(pattern: unknown, flags: unknown): JsonObject | undefined {
  if (typeof pattern === 'string') return flags === undefined ? { pattern } : undefined;
  return pattern instanceof RegExp && /^u?$/.test(pattern.flags) ? { pattern: pattern.source } : undefined;
}

function listed(values: unknown): JsonObject | undefined {
  return Array.isArray(values) && values.every(isPrimitive) ? { enum: values } : undefined;
}

function isPrimitive(value: unknown): value is JsonValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
