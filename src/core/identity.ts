/** Who a service is, for the parts below it that must say so. */
export class Identity {
  /** The name in the registry: `greeter`. */
  readonly name: string;
  /** Never empty: go-micro's watchers drop what has no version. */
  readonly version: string;
  /** The proto package, which is the name unless that is no legal one: `my_shop`. */
  readonly package: string;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(init: {
    name: string;
    version: string;
    package?: string;
    metadata?: Readonly<Record<string, string>>;
  }) {
    this.name = init.name;
    this.version = init.version;
    this.package = init.package ?? init.name;
    this.metadata = init.metadata ?? {};
  }
}
