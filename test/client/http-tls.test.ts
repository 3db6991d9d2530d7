import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { ProbeClient } from '../conformance/probe.js';
import { later } from '../conformance/transport/talk.js';
import { Authority } from '../support/certificates.js';
import { httpSubject } from '../support/http-subject.js';

const authority = await Authority.make();
const { ca } = authority;
const server = await authority.issue('server');
const caller = await authority.issue('caller');
const stranger = await (await Authority.make()).issue('stranger');

const MUTUAL = { tls: { ca, ...server, clientAuth: 'require' } } as const;

describe('HttpClient over mutual TLS', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, () =>
    httpSubject({ tls: { ca, ...caller } }, MUTUAL),
  );
});

describe('HttpClient over TLS and HTTP/2', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, () =>
    httpSubject({ tls: { ca }, version: '2' }, { tls: server }),
  );
});

describe('a stream over TLS and HTTP/1.1', () => {
  const streaming = async (
    options: NonNullable<Parameters<typeof httpSubject>[0]>,
    run: (client: ProbeClient, subject: ReturnType<typeof httpSubject>) => Promise<void>,
  ): Promise<void> => {
    const subject = httpSubject({ version: '1.1', tls: { ca }, ...options }, { tls: server });
    await subject.start?.();
    try {
      await run(new ProbeClient(subject.client), subject);
    } finally {
      await subject.stop?.();
    }
  };

  it('goes over a connection that is kept', () =>
    streaming({}, async (client, subject) => {
      for (let n = 0; n < 5; n++) {
        const counts: number[] = [];
        for await (const { count } of client.count({ count: 2 })) counts.push(count);
        assert.deepEqual(counts, [1, 2]);
      }
      // The end of a stream may be read a moment before its connection is free.
      const { open = 0 } = subject.client.connections?.() ?? {};
      assert.ok(open === 1 || open === 2, `${open} connections`);
    }));

  it('that waited for one which another had may take longer than dialling may', () =>
    streaming({ maxConnections: 1, dialTimeoutMs: 50, retries: 0 }, async (client) => {
      const begun = later<void>();
      const first = client.sum(
        (async function* () {
          yield { count: 1 };
          await begun.promise;
        })(),
      );
      const second = client.sum(
        (async function* () {
          yield { count: 2 };
          // By the time that this has failed dialling would have.
          await client.wait({}, { timeoutMs: 150 }).catch(() => {});
          yield { count: 3 };
        })(),
      );
      begun.resolve();
      assert.deepEqual([(await first).count, (await second).count], [1, 5]);
    }));
});

describe('a certificate that is not right', () => {
  const calling = async (
    client: NonNullable<Parameters<typeof httpSubject>[0]>,
    like: RegExp,
  ): Promise<void> => {
    const subject = httpSubject({ retries: 0, ...client }, MUTUAL);
    await subject.start?.();
    try {
      const { address } = subject;
      await assert.rejects(
        new ProbeClient(subject.client).echo({}, { address: `https://${address}` }),
        (reason) => {
          assert.ok(reason instanceof OctavoError, String(reason));
          assert.match(reason.message, like);
          assert.equal(reason.executed, false);
          return true;
        },
      );
      assert.equal(subject.probe.calls, 0);
    } finally {
      await subject.stop?.();
    }
  };

  for (const version of ['1.1', '2'] as const)
    it(`is refused with the reason, by HTTP/${version}`, async () => {
      await calling({ version, tls: { ca: stranger.cert, ...caller } }, /is signed by nobody in tls.ca/);
      await calling({ version, tls: { ca, ...caller, serverName: 'elsewhere' } }, /is for somebody else/);
      await calling({ version, tls: { ca, ...stranger } }, /certificate/);
      await calling({ version, tls: { ca } }, /certificate/);
      await calling({ version }, /is signed by nobody in tls.ca/);
    });
});
