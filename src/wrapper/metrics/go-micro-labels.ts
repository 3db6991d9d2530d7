/** What go-micro's plugin says of every call. */
export interface GoMicroLabels {
  /** @defaultValue `''`, as go-micro's */
  readonly name?: string;
  /** @defaultValue `''` */
  readonly version?: string;
  /** @defaultValue `''` */
  readonly id?: string;
}
