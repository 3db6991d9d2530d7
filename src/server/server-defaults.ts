import type { ServerOptions } from './server.js';

/** What every server of an app is told unless its own options say otherwise: where the environment goes. */
export class ServerDefaults {
  readonly options: ServerOptions;

  constructor(options: ServerOptions) {
    this.options = options;
  }
}
