import { OctavoError } from '../core/error.js';
import type { Server } from '../server/server.js';
import type { Environment } from './env.js';

interface Serving {
  readonly name: string;
  readonly serves: boolean;
  readonly servers: readonly Server[];
}

/** Refuses one name from the environment for several services: callers of one would reach the others. */
export function checkNames(services: readonly Serving[], env: Environment): void {
  const name = env.text('MICRO_SERVER_NAME');
  if (name === undefined || services.length < 2) return;
  throw new OctavoError(
    'failed_precondition',
    `MICRO_SERVER_NAME is ${name}, but ${services.length} services start here: name them in code`,
  );
}

/** Refuses an address that two servers would listen at, and an id that two nodes would have. */
export function checkServers(services: readonly Serving[]): void {
  const servers = services.flatMap(({ name, servers: own }) => own.map(({ options }) => ({ name, options })));
  const addresses = servers.flatMap(({ options: { address } }) =>
    address === undefined || address.endsWith(':0') ? [] : [address],
  );
  refuseTwice(
    addresses,
    (address) =>
      `servers would listen at ${address}: give each an address of its own in code, as MICRO_SERVER_ADDRESS is one for all`,
  );
  const ids = servers.flatMap(({ name, options }) =>
    options.id === undefined ? [] : [`${options.name ?? name}-${options.id}`],
  );
  refuseTwice(
    ids,
    (id) => `nodes would be ${id}: give each an id of its own in code, as MICRO_SERVER_ID is one for all`,
  );
}

function refuseTwice(values: readonly string[], what: (value: string) => string): void {
  const twice = values.find((value, at) => values.indexOf(value) !== at);
  if (twice === undefined) return;
  const count = values.filter((value) => value === twice).length;
  throw new OctavoError('failed_precondition', `${count} ${what(twice)}`);
}
