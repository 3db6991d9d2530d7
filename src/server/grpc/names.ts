import type { Method } from '../../schema/method.js';

/** A method as gRPC names it. */
export interface GrpcName {
  /** `greeter.Greeter`. */
  readonly service: string;
  /** `Hello`. */
  readonly method: string;
}

/** The full name of a service and of its method: endpoints of the framework's own bring their package with them. */
export function grpcName({ package: pack, endpoint }: Pick<Method, 'package' | 'endpoint'>): GrpcName {
  const dot = endpoint.lastIndexOf('.');
  const service = endpoint.slice(0, dot);
  return { service: pack === '' ? service : `${pack}.${service}`, method: endpoint.slice(dot + 1) };
}

/** The endpoint at each path: under its proto package, and under the service's name, as go-micro's clients call. */
export function grpcPaths(methods: readonly Method[], service: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  const add = (pack: string, { endpoint }: Method): void => {
    const { service: name, method } = grpcName({ package: pack, endpoint });
    paths.set(`/${name}/${method}`, endpoint);
  };
  for (const method of methods) if (method.package !== '') add(service, method);
  // Where both name the same path, the package counts.
  for (const method of methods) add(method.package, method);
  return paths;
}
