const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Whether this is a name that proto allows for a field or an enum value. */
export function isIdentifier(name: string): boolean {
  return IDENTIFIER.test(name);
}

/** Whether this is a full name such as `greeter.v1.HelloRequest`. */
export function isFullName(name: string): boolean {
  return name.split('.').every(isIdentifier);
}

/** The proto name of a property: `userId` is `user_id`. */
export function snakeCase(property: string): string {
  return property.replace(/[A-Z]/g, (letter, at) => `${at === 0 ? '' : '_'}${letter.toLowerCase()}`);
}

/** The JSON name that protoc derives from a proto name: `user_id` is `userId`. */
export function defaultJsonName(name: string): string {
  return name.replace(/_+([a-zA-Z0-9])?/g, (_, letter: string | undefined) => letter?.toUpperCase() ?? '');
}

/** The part before the last dot: `greeter.v1` of `greeter.v1.HelloRequest`, empty where there is none. */
export function packageOf(fullName: string): string {
  return fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')));
}

/** The part after the last dot: `HelloRequest` of `greeter.v1.HelloRequest`. */
export function simpleName(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf('.') + 1);
}
