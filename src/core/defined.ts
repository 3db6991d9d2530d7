/** Without the members that are there but `undefined`, which would hide a default. */
export function defined<T extends object>(options: { [Name in keyof T]: T[Name] | undefined }): T {
  // What is left out is optional in every type this is called for.
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
