import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { ProbeClient } from '../conformance/probe.js';
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
