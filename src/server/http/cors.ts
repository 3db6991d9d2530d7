import type { FastifyInstance } from 'fastify';
import { OctavoError } from '../../core/error.js';

/** Which pages of other origins may call. */
export interface CorsOptions {
  /** `'*'` for all of them, or those that are listed: `https://shop.example`. */
  readonly origins: '*' | readonly string[];
  /** Whether cookies and other credentials of the browser come along. Not with `'*'`. @defaultValue `false` */
  readonly credentials?: boolean;
  /** The headers of a reply that pages may read, beside those of the protocols. @defaultValue all of them, where there are no `credentials` */
  readonly expose?: readonly string[];
  /** For how long a browser remembers the answer, in milliseconds. @defaultValue `7_200_000`, the most that Chromium keeps */
  readonly maxAgeMs?: number;
}

const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
/** What Connect and gRPC-Web say in headers of a reply. Source: connectrpc.com/docs/cors. */
const EXPOSED = [
  'Content-Encoding',
  'Connect-Content-Encoding',
  'Grpc-Status',
  'Grpc-Message',
  'Grpc-Status-Details-Bin',
  'Octavo-Text',
  'Retry-After',
];

/** Lets pages of other origins call. Throws `failed_precondition` for what browsers would refuse. */
export async function allowOrigins(app: FastifyInstance, options: CorsOptions): Promise<void> {
  const { origins, credentials = false, expose, maxAgeMs = 7_200_000 } = options;
  if (credentials && (origins === '*' || origins.includes('*')))
    throw new OctavoError(
      'failed_precondition',
      "cors of the http server: origins '*' do not go with credentials: list the origins",
    );
  const all = expose === undefined && !credentials ? ['*'] : [];
  const { fastifyCors } = await import('@fastify/cors');
  await app.register(fastifyCors, {
    origin: origins === '*' ? '*' : [...origins],
    methods: VERBS,
    credentials,
    exposedHeaders: [...all, ...EXPOSED, ...(expose ?? [])],
    maxAge: Math.floor(maxAgeMs / 1_000),
  });
}
