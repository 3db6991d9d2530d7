import type { MetadataStorage, ValidationArguments } from 'class-validator';

import type { MessageType } from './message-type.js';

/** Whether an instance keeps every rule of its class. `false` may also mean that class-validator itself has to say. */
export type QuickRules = (instance: object) => boolean;

type Metadata = ReturnType<MetadataStorage['getTargetValidationMetadatas']>[number];

/** One constraint of one decorator. */
interface Rule {
  readonly constraint: {
    validate: (this: void, value: unknown, args: ValidationArguments) => unknown;
  };
  // As class-validator declares them.
  readonly constraints: ValidationArguments['constraints'];
  readonly each: boolean;
  readonly onlyIf: Metadata['validateIf'];
}

interface PropertyRules {
  readonly property: string;
  /** Of `@IsOptional` and `@ValidateIf`: unless all of them hold, nothing else is asked. */
  readonly conditions: readonly Condition[];
  readonly rules: readonly Rule[];
  /** Whether it has `@ValidateNested`, which the messages themselves are checked for elsewhere. */
  readonly nested: boolean;
}

type Condition = (instance: object, value: unknown) => unknown;

/**
 * The rules of a class without what makes `validateSync` slow: looking them up, and an error object for each property.
 *
 * `undefined` where a rule is of a kind that only class-validator knows.
 *
 * @param messages the properties whose messages are checked by themselves
 */
export function quickRulesOf(
  store: MetadataStorage,
  type: MessageType,
  messages: ReadonlySet<string>,
): QuickRules | undefined {
  const plan: PropertyRules[] = [];
  try {
    const grouped = store.groupByPropertyName(store.getTargetValidationMetadatas(type, '', false, false));
    for (const [property, metadatas] of Object.entries(grouped)) {
      const rules = propertyRules(store, property, metadatas, messages.has(property));
      if (rules === undefined) return undefined;
      plan.push(rules);
    }
  } catch {
    // Whatever is wrong with a rule, class-validator's own words for it are better.
    return undefined;
  }
  return (instance) => instance.constructor === type && plan.every((rules) => keeps(instance, rules));
}

function propertyRules(
  store: MetadataStorage,
  property: string,
  metadatas: readonly Metadata[],
  isMessage: boolean,
): PropertyRules | undefined {
  const conditions: Condition[] = [];
  const rules: Rule[] = [];
  let nested = false;
  for (const metadata of metadatas)
    switch (metadata.type) {
      case 'conditionalValidation':
        // What class-validator calls; its decorators put functions there.
        conditions.push(metadata.constraints[0] as Condition);
        break;
      case 'customValidation':
      case 'isDefined': {
        const found = rulesOf(store, metadata);
        if (found === undefined) return undefined;
        rules.push(...found);
        break;
      }
      case 'nestedValidation':
        if (!isMessage) return undefined;
        nested = true;
        break;
      case 'whitelistValidation':
        break;
      default:
        return undefined;
    }
  return { property, conditions, rules, nested };
}

function rulesOf(store: MetadataStorage, metadata: Metadata): Rule[] | undefined {
  const rules: Rule[] = [];
  for (const found of store.getTargetValidatorConstraints(metadata.constraintCls)) {
    // validateSync does not run them.
    if (found.async) continue;
    const constraint = found.instance;
    // A container that makes one for each use may mean it.
    if (constraint !== found.instance) return undefined;
    rules.push({
      constraint,
      constraints: metadata.constraints,
      each: metadata.each,
      onlyIf: metadata.validateIf,
    });
  }
  return rules;
}

function keeps(instance: object, { property, conditions, rules, nested }: PropertyRules): boolean {
  // Properties are looked up by the names that the decorators recorded.
  const value = (instance as Readonly<Record<string, unknown>>)[property];
  let asked = true;
  for (const condition of conditions) if (!condition(instance, value)) asked = false;
  if (!asked) return true;
  for (const rule of rules) if (!holds(rule, instance, property, value)) return false;
  return !nested || value === undefined || value instanceof Object;
}

function holds(
  { constraint, constraints, each, onlyIf }: Rule,
  instance: object,
  property: string,
  value: unknown,
): unknown {
  if (onlyIf !== undefined && !onlyIf(instance, value)) return true;
  const args = { targetName: instance.constructor.name, property, object: instance, value, constraints };
  const items = each ? itemsOf(value) : undefined;
  if (items === undefined) return constraint.validate(value, args);
  return items.every((item) => constraint.validate(item, args));
}

function itemsOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  return value instanceof Map || value instanceof Set ? [...value.values()] : undefined;
}
