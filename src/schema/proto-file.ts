import { unfit } from './fault.js';
import type { MessageType } from './message-type.js';
import type { StreamKind } from './method.js';
import { packageOf, simpleName } from './proto-name.js';
import { shapeOf } from './resolve.js';
import { reachable } from './shape.js';
import type { EnumShape, FieldShape, MessageShape, ValueShape } from './shape.js';

/** A service as `.proto` text shows it. */
export interface ProtoService {
  /** The full name: `greeter.Greeter`. */
  readonly name: string;
  readonly methods: readonly ProtoMethod[];
}

/** A method as `.proto` text shows it. */
export interface ProtoMethod {
  /** `Hello`. */
  readonly name: string;
  readonly request: MessageType;
  readonly reply: MessageType;
  readonly kind: StreamKind;
}

/** What one file declares: everything of one package. */
export interface ProtoFile {
  /** Package `greeter.v1` is in `greeter/v1.proto`. */
  readonly path: string;
  readonly package: string;
  readonly messages: MessageShape[];
  readonly enums: Set<EnumShape>;
  readonly services: ProtoService[];
  readonly imports: Set<string>;
}

const GOOGLE = 'google.protobuf';

/**
 * What messages and services, with all that they refer to, come to: one file for each package.
 *
 * Throws `failed_precondition` where packages refer to each other in a circle or two enums of a package share a value's name, which
 * proto forbids.
 */
export function protoFilesOf(
  types: readonly MessageType[],
  services: readonly ProtoService[],
): readonly ProtoFile[] {
  const files = new Map<string, ProtoFile>();
  const ends = services.flatMap(({ methods }) => methods.flatMap(({ request, reply }) => [request, reply]));
  for (const message of reachable(...[...types, ...ends].map(shapeOf))) {
    if (packageOf(message.name) === GOOGLE) continue;
    const file = fileOf(files, packageOf(message.name));
    file.messages.push(message);
    for (const { value } of message.fields) {
      if (value.kind === 'enum') fileOf(files, packageOf(value.enum.name)).enums.add(value.enum);
      addImport(file, value);
    }
  }
  for (const service of services) {
    const file = fileOf(files, packageOf(service.name));
    file.services.push(service);
    for (const { request, reply } of service.methods)
      for (const message of [request, reply]) addImport(file, { kind: 'message', message: shapeOf(message) });
  }
  for (const file of files.values()) {
    checkCircle(file, files);
    checkEnumValues(file);
  }
  return [...files.values()];
}

/** Members of a oneof stand together, where the first of them is. */
export function fieldsInOrder({ fields }: MessageShape): readonly FieldShape[] {
  return fields.flatMap((field) => {
    if (field.oneof === undefined) return [field];
    const members = fields.filter(({ oneof }) => oneof === field.oneof);
    return members[0] === field ? members : [];
  });
}

/** proto3 wants the zero first. */
export function valuesInOrder({ numbers }: EnumShape): readonly (readonly [name: string, number: number])[] {
  return [...numbers].sort(([, a], [, b]) => Number(b === 0) - Number(a === 0));
}

function fileOf(files: Map<string, ProtoFile>, name: string): ProtoFile {
  const known = files.get(pathOf(name));
  if (known !== undefined) return known;
  const file: ProtoFile = {
    path: pathOf(name),
    package: name,
    messages: [],
    enums: new Set(),
    services: [],
    imports: new Set(),
  };
  files.set(pathOf(name), file);
  return file;
}

function pathOf(name: string): string {
  return `${name === '' ? 'messages' : name.replaceAll('.', '/')}.proto`;
}

function addImport(file: ProtoFile, value: ValueShape): void {
  const type = fullNameOf(value);
  const owner = packageOf(type);
  if (value.kind === 'scalar' || owner === file.package) return;
  file.imports.add(
    owner === GOOGLE ? `google/protobuf/${googleFile(simpleName(type))}.proto` : pathOf(owner),
  );
}

const STRUCT_TYPES = ['Struct', 'Value', 'ListValue', 'NullValue'];

function googleFile(type: string): string {
  if (STRUCT_TYPES.includes(type)) return 'struct';
  return type.endsWith('Value') ? 'wrappers' : type.toLowerCase();
}

/** The full name of a type. */
export function fullNameOf(value: ValueShape): string {
  switch (value.kind) {
    case 'message':
      return value.message.name;
    case 'enum':
      return value.enum.name;
    default:
      return value.name;
  }
}

function checkCircle(start: ProtoFile, files: ReadonlyMap<string, ProtoFile>): void {
  const seen = new Set(start.imports);
  for (const path of seen) {
    if (path === pathOf(start.package))
      throw unfit(
        path,
        'its package refers to others that refer back to it; move what they share into one package',
      );
    for (const next of files.get(path)?.imports ?? []) seen.add(next);
  }
}

function checkEnumValues({ enums }: ProtoFile): void {
  const owners = new Map<string, string>();
  for (const { name, numbers } of enums)
    for (const value of numbers.keys()) {
      const owner = owners.get(value);
      if (owner !== undefined)
        throw unfit(
          `${name}.${value}`,
          `${owner} has this value too, and proto wants them to differ in a package`,
        );
      owners.set(value, name);
    }
}
