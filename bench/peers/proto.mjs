import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** The service of echo.proto, for those that stand on grpc-js. */
export const { Echo } = loadPackageDefinition(
  loadSync(fileURLToPath(new URL('echo.proto', import.meta.url))),
).bench;
