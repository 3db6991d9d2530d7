import { connect } from 'node:tls';
import type { IOptions } from 'etcd3';
import { OctavoError } from '../../core/error.js';
import type { HttpAddress } from '../../core/http-address.js';
import { checkOf, type Certificates } from '../../core/tls.js';
import { tlsFault } from '../../core/tls-fault.js';

type FaultHandling = Required<NonNullable<IOptions['faultHandling']>>;

/** How long a member is given to say what is wrong with TLS, in milliseconds. */
const PROBE_MS = 1_000;

/**
 * A policy that tries so often, each time with another member, where the one before could not be reached.
 *
 * The library's own open a circuit, and count retries that nobody asked for.
 */
export function trying(times: number): FaultHandling['global'] {
  const execute = async (run: (context: { signal: AbortSignal }) => unknown): Promise<unknown> => {
    const { signal } = new AbortController();
    for (let n = 1; ; n++) {
      try {
        return await run({ signal });
      } catch (reason) {
        if (n >= times || !/\bUNAVAILABLE\b/.test(String(reason))) throw reason;
      }
    }
  };
  // The library calls nothing else of it.
  return { execute } as unknown as FaultHandling['global'];
}

/** A pause that does not grow: the watch manager wants one, and is not used. */
export const steady: FaultHandling['watchBackoff'] = {
  duration: 250,
  next: () => steady,
};

/** What etcd says that another try does not change. */
export function refusalOf(cause: unknown, who: string, where: string): OctavoError | undefined {
  const text = cause instanceof Error ? `${cause.name} ${cause.constructor.name} ${cause.message}` : '';
  if (/invalid user ID or password|invalid auth token/.test(text))
    return new OctavoError('unauthenticated', `etcd at ${where} refused ${who}: wrong user or password`, {
      cause,
    });
  if (/user name is empty/.test(text))
    return new OctavoError(
      'unauthenticated',
      `etcd at ${where} wants to know who ${who} is: set user and pass`,
      {
        cause,
      },
    );
  if (/permission denied/.test(text))
    return new OctavoError(
      'permission_denied',
      `etcd at ${where} does not let ${who} do this: its user needs a role that reads and writes the prefix`,
      { cause },
    );
  return undefined;
}

/** An error for a server that was not found. gRPC does not say what is wrong with TLS, so it is tried once more, without it. */
export async function noServer(
  cause: unknown,
  who: string,
  addresses: readonly HttpAddress[],
  ms: number,
  certificates: Certificates | undefined,
): Promise<OctavoError> {
  const where = addresses.map(({ shown }) => shown).join(', ');
  const faults = certificates && (await Promise.all(addresses.map((each) => faultOf(each, certificates))));
  const why = cause instanceof Error ? cause.message : String(cause);
  const what = faults?.find((fault) => fault !== undefined) ?? `${why}: start one, or set addresses`;
  return new OctavoError('unavailable', `${who} found no etcd at ${where} within ${ms} ms: ${what}`, {
    cause,
  });
}

async function faultOf(
  { host, port, shown }: HttpAddress,
  certificates: Certificates,
): Promise<string | undefined> {
  try {
    const secureContext = await certificates.forClient();
    const error = await new Promise<Error | undefined>((resolve) => {
      const socket = connect({
        host,
        port,
        ...checkOf(host, certificates.policy),
        secureContext,
        ALPNProtocols: ['h2'],
      });
      const done = (reason?: Error): void => {
        resolve(reason);
        socket.destroy();
      };
      socket.setTimeout(PROBE_MS, done);
      socket.on('error', done);
      // A server that does not like our certificate says so after its own was accepted.
      socket.on('end', done);
    });
    return error && tlsFault(shown, error);
  } catch {
    return undefined;
  }
}
