/** One way to make a call, measured with its server in a process of its own or in the same one. */
export interface Variant {
  readonly name: string;
  /** What the row says, in a few words. */
  readonly about: string;
  /** Opens a server and returns its address. It runs in a child process unless {@link oneProcess} is true. */
  serve(): Promise<string>;
  /** Connects to a server, and returns what makes one call. */
  connect(address: string): Promise<() => Promise<unknown>>;
  readonly oneProcess?: boolean;
}

/** The payload of every call: about 30 bytes of protobuf there, about 40 back. */
export const NAME = 'somebody with a name of size';
