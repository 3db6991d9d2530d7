import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EtcdRegistry, type EtcdOptions } from '../../src/registry/etcd.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { eventually, failure, record, Told } from './support/registry-faults.js';
import { hides, refused, shownBy, works } from './support/registry-secrets.js';

const SECRET = 'hunter2@/:';

describe('the etcd registry, where etcd wants to know who one is', () => {
  let server: EtcdServer;
  const made: EtcdRegistry[] = [];
  const { clock, logger } = parts();
  before(async () => {
    server = await EtcdServer.start();
    await server.restrict(SECRET, '/micro/registry/');
  });
  after(async () => {
    for (const registry of made) await registry.stop();
    await server.stop();
  });
  function make(options: EtcdOptions): EtcdRegistry {
    const registry = new EtcdRegistry({ addresses: [server.address], ...options }, { clock, logger });
    made.push(registry);
    return registry;
  }

  it('takes user and password apart, or in an address', async () => {
    await works(make({ user: 'ada', pass: SECRET }), 'a');
    const address = `http://ada:${encodeURIComponent(SECRET)}@${server.address}`;
    await works(make({ addresses: [address] }), 'b');
  });

  it('fails its start at once for a wrong password or none, and says that word', async () => {
    const wrong = make({ user: 'ada', pass: `${SECRET}-not` });
    hides(
      SECRET,
      await refused(wrong, 'unauthenticated', /refused the etcd registry: wrong user or password/),
    );
    await refused(make({}), 'unauthenticated', /set user and pass/);
  });

  it('fails its start at once for a user who may do nothing, and says what is missing', async () => {
    await refused(
      make({ user: 'bob', pass: SECRET }),
      'permission_denied',
      /a role that reads and writes the prefix/,
    );
  });

  it('says so where it may not do something later', async () => {
    const registry = make({ user: 'ada', pass: SECRET, prefix: '/micro/registry/mine/' });
    await registry.start();
    await registry.register(record('a'));
    await registry.deregister(record('a'));
    const elsewhere = make({ user: 'ada', pass: SECRET, prefix: '/other/' });
    assert.equal((await failure(elsewhere.start())).code, 'permission_denied');
  });

  it('goes on where etcd was killed and knows none of its tokens any more', async () => {
    const registry = make({ user: 'ada', pass: SECRET });
    await registry.start();
    const told = new Told(registry.watch({ service: 'greeter' }));
    await registry.register(record('a'), { ttlMs: 60_000 });
    await told.until('create a');
    await server.kill();
    await server.restart();
    await eventually(registry, ['a']);
    await registry.register(record('b'), { ttlMs: 60_000 });
    await told.until('create b');
    await registry.register(record('a'), { ttlMs: 60_000 });
    assert.deepEqual(told.events, ['create a', 'create b']);
  });

  it('never shows what is secret', () => {
    assert.ok(logger.records.length > 0);
    for (const registry of made) hides(SECRET, ...shownBy(registry, logger));
  });

  it('does not look for a name in a certificate where it has a user, which the library cannot', async () => {
    const error = await failure(
      make({ user: 'ada', pass: 'x', tls: { serverName: 'etcd.example' } }).start(),
    );
    assert.equal(error.code, 'failed_precondition');
    assert.match(error.message, /tls\.serverName/);
  });
});
