/** One way to make a call, with both ends in JavaScript. Each end runs in a process of its own, unless it says otherwise. */
export interface Variant {
  readonly name: string;
  /** What the row says, in a few words. */
  readonly about: string;
  /** Opens a server and returns its address, in any form that {@link connect} reads. */
  serve(): Promise<string>;
  /** Connects to a server, and returns what makes one call: it sends a text, and gives the same text as the reply. */
  connect(address: string): Promise<Echo>;
  /** Connects to a server, and returns what opens one stream: what is sent comes back, item by item. */
  open?(address: string): Promise<EchoStream>;
  readonly oneProcess?: boolean;
}

export type Echo = (text: string) => Promise<unknown>;

export type EchoStream = (texts: AsyncIterable<string>) => AsyncIterable<unknown>;
