import type { ServiceClass } from '../schema/service-declaration.js';
import { App, plan } from './app.js';
import { OctavoError } from '../core/error.js';
import type { AppOptions, Service } from './service.js';
import { untilStopped } from './signals.js';

export interface ServiceOptions extends AppOptions {
  /** The classes with `@Service` that make it up; they share name and version. Without any it only calls others. */
  readonly services?: readonly ServiceClass[];
  /** The name, where no class says it. @defaultValue the classes', else `'client'` */
  readonly name?: string;
}

/**
 * Makes one service. Nothing is opened before its `start`.
 *
 * @throws `failed_precondition` for classes that are several services: give those to `run`
 */
export function createService(options: ServiceOptions = {}): Service & AsyncDisposable {
  const { services = [], name = 'client' } = options;
  const plans = plan(services);
  if (plans.length > 1)
    throw new OctavoError(
      'failed_precondition',
      `createService makes one service, and these classes are ${plans.length}: ${plans.map((each) => `${each.name} ${each.version}`).join(', ')}; use run`,
    );
  const [only = { name, version: 'latest', package: name, metadata: {}, classes: [] }] = plans;
  const [service] = new App([only], options).services;
  if (service === undefined) throw new OctavoError('internal', 'an app of one plan has no service');
  return service;
}

/**
 * Runs services until SIGTERM or SIGINT, which stop them in order: `await run(Greeter, { registry: memory() })`.
 *
 * Classes of one name and version are one service. Resolves when all have stopped; rejects, with everything closed, when one cannot start.
 */
export async function run(
  ...args: readonly [...classes: ServiceClass[], options: ServiceClass | AppOptions]
): Promise<void> {
  const classes = args.filter((each) => typeof each === 'function');
  const options = args.find((each) => typeof each === 'object') ?? {};
  if (classes.length === 0)
    throw new OctavoError('failed_precondition', 'run was given no class: call it as run(Greeter)');
  await untilStopped(new App(plan(classes), options));
}
