/** A message without fields, for a call that needs no request or no reply: google.protobuf.Empty. */
export class Empty {
  /** Keeps other objects from being taken for it by mistake. */
  declare private readonly empty?: never;
}
