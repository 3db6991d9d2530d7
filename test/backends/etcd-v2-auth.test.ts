import { after, before, describe, it } from 'node:test';
import { EtcdV2Registry, type EtcdV2Options } from '../../src/registry/etcd-v2.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { hides, refused, shownBy, works } from './support/registry-secrets.js';

const SECRET = 'hunter2@/:';

/** Lets in those who have a password, and nobody else. */
async function restrict(address: string): Promise<void> {
  const ask = async (path: string, body?: object): Promise<void> => {
    const headers = {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from(`root:${SECRET}`).toString('base64')}`,
    };
    const asked = { method: 'PUT', headers, ...(body && { body: JSON.stringify(body) }) };
    const answer = await fetch(`http://${address}/v2/auth/${path}`, asked);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  };
  const kv = { read: ['/micro-registry*'], write: ['/micro-registry*'] };
  await ask('users/root', { user: 'root', password: SECRET });
  await ask('roles/registry', { role: 'registry', permissions: { kv } });
  await ask('users/ada', { user: 'ada', password: SECRET, roles: ['registry'] });
  await ask('enable');
  await ask('roles/guest', { role: 'guest', revoke: { kv: { read: ['/*'], write: ['/*'] } } });
}

describe('the etcd-v2 registry, where etcd wants to know who one is', () => {
  let server: EtcdServer;
  const made: EtcdV2Registry[] = [];
  const { clock, logger } = parts();
  before(async () => {
    server = await EtcdServer.start({ args: ['--enable-v2'] });
    await restrict(server.address);
  });
  after(async () => {
    for (const registry of made) registry.stop();
    await server.stop();
  });
  function make(options: EtcdV2Options): EtcdV2Registry {
    const registry = new EtcdV2Registry({ addresses: [server.address], ...options }, { clock, logger });
    made.push(registry);
    return registry;
  }

  it('takes user and password apart, or in an address', async () => {
    await works(make({ user: 'ada', pass: SECRET }), 'a');
    const address = `http://ada:${encodeURIComponent(SECRET)}@${server.address}`;
    await works(make({ addresses: [address] }), 'b');
  });

  it('fails its start at once for a wrong password, none, or another prefix, and says that word', async () => {
    const wrong = make({ user: 'ada', pass: `${SECRET}-not` });
    const words = /refused the etcd-v2 registry: wrong user or password/;
    hides(SECRET, await refused(wrong, 'unauthenticated', words));
    await refused(make({}), 'unauthenticated', words);
    await refused(
      make({ user: 'ada', pass: SECRET, prefix: '/other/' }),
      'unauthenticated',
      /a role that reaches/,
    );
  });

  it('never shows what is secret', async () => {
    await server.kill();
    const address = `http://ada:${encodeURIComponent(SECRET)}@${server.address}`;
    const lost = make({ addresses: [address], connectTimeoutMs: 300 });
    hides(SECRET, await refused(lost, 'unavailable', /found no etcd/));
    for (const registry of made) hides(SECRET, ...shownBy(registry, logger));
  });

  it('says so where etcd does not speak API v2', async () => {
    const modern = await EtcdServer.start();
    try {
      await refused(
        make({ addresses: [modern.address] }),
        'failed_precondition',
        /start it with --enable-v2/,
      );
    } finally {
      await modern.stop();
    }
  });
});
