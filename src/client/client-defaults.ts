import type { ClientOptions } from './client.js';

/** What every client of an app is told unless its own options say otherwise: where the environment goes. */
export class ClientDefaults {
  readonly options: ClientOptions;

  constructor(options: ClientOptions) {
    this.options = options;
  }
}
