import type { Contender, Ends, LoadName } from './contender.js';
import { JsEnd, type End } from './end.js';

export interface InProcessesOptions {
  /** Whether both ends are in one process. */
  readonly alone?: boolean;
}

/**
 * A variant, each of its ends in a process of its own.
 *
 * @param module that exports it, from here; it is loaded by those processes alone
 */
export function inProcesses(
  name: string,
  module: string,
  loads: readonly LoadName[],
  { alone = false }: InProcessesOptions = {},
): Contender {
  const url = new URL(module, import.meta.url);
  return {
    name,
    loads,
    async start({ profiles }) {
      const end = { module: url, name, profiles };
      const server = alone ? undefined : await JsEnd.start({ ...end, role: 'serve' });
      const address = server?.first.address ?? '';
      return both(server, await JsEnd.start({ ...end, role: 'call', address }));
    },
  };
}

/** A client's end that calls a server's; both may be one. */
export function both(server: End | undefined, client: End): Ends {
  return {
    about: client.first.about,
    async run(load) {
      const before = await server?.ask({});
      const { cpu, rss, ...result } = await client.ask(load);
      const after = await server?.ask({});
      return {
        ...result,
        clientCpu: cpu / result.calls,
        serverCpu: ((after?.cpu ?? 0) - (before?.cpu ?? 0)) / result.calls,
        clientRss: rss,
        serverRss: after?.rss ?? 0,
      };
    },
    async stop() {
      await client.stop();
      await server?.stop();
    },
  };
}
