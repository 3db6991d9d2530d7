import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client, credentials, status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import type { GrpcServerOptions } from '../../src/server/grpc.js';
import type { ServerSubject } from '../conformance/server.js';
import { grpcSubject } from '../support/grpc-subject.js';

const [SERVING, NOT_SERVING, SERVICE_UNKNOWN] = [1, 2, 3];

/** A request with the one field of `HealthCheckRequest`, and a reply with the one of `HealthCheckResponse`. */
const asked = (service: string): Buffer =>
  service === '' ? Buffer.alloc(0) : Buffer.concat([Buffer.of(10, service.length), Buffer.from(service)]);
const told = (bytes: Buffer): number => bytes[1] ?? 0;

class Checker {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure());
  }

  check(service: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest('/grpc.health.v1.Health/Check', asked, told, service, (error, reply) => {
        if (error === null) resolve(reply ?? 0);
        else reject(error);
      });
    });
  }

  watch(service: string): ClientReadableStream<number> {
    const stream = this.#client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', asked, told, service);
    stream.on('error', () => {});
    return stream;
  }

  close(): void {
    this.#client.close();
  }
}

async function checking(
  run: (checker: Checker, subject: ServerSubject) => Promise<void>,
  options: GrpcServerOptions = {},
): Promise<void> {
  const subject = grpcSubject(options);
  await subject.start?.();
  const checker = new Checker(subject.address);
  try {
    await run(checker, subject);
  } finally {
    checker.close();
    await subject.stop?.();
  }
}

const failing = (code: number) => (error: ServiceError) => error.code === code;

describe('health', () => {
  it('of the server and of each of its services is told', () =>
    checking(async (checker) => {
      for (const service of ['', 'conformance.Probe', 'grpc.health.v1.Health'])
        assert.equal(await checker.check(service), SERVING, service);
    }));

  it('of a service that is not there is an error, and for who watches a state', () =>
    checking(async (checker) => {
      await assert.rejects(checker.check('nobody.Nothing'), failing(status.NOT_FOUND));
      const watch = checker.watch('nobody.Nothing')[Symbol.asyncIterator]();
      assert.equal((await watch.next()).value, SERVICE_UNKNOWN);
    }));

  it('changes as the server stops, while calls in flight go on, and does not hold it up', () =>
    checking(
      async (checker, subject) => {
        const watch = checker.watch('')[Symbol.asyncIterator]();
        assert.equal((await watch.next()).value, SERVING);
        const stopped = subject.stop?.();
        assert.equal((await watch.next()).value, NOT_SERVING);
        assert.equal(await checker.check(''), NOT_SERVING);
        await assert.rejects(watch.next(), failing(status.UNAVAILABLE));
        await stopped;
      },
      { lingerMs: 300 },
    ));

  it('is told again after another start', () =>
    checking(async (_, subject) => {
      await subject.stop?.();
      await subject.start?.();
      const again = new Checker(subject.address);
      assert.equal(await again.check(''), SERVING);
      again.close();
    }));

  it('is left out where the option says so', () =>
    checking(async (checker) => assert.rejects(checker.check(''), failing(status.UNIMPLEMENTED)), {
      health: false,
    }));
});
