import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ConsulRegistry, type ConsulOptions } from '../../src/registry/consul.js';
import { ConsulServer } from '../support/consul-server.js';
import { parts } from '../support/parts.js';
import { failure, record } from './support/registry-faults.js';
import { hides, refused, shownBy, works } from './support/registry-secrets.js';

const ROOT = 'c0ffee00-0000-4000-8000-000000000000';
const SECRET = 'c0ffee00-0000-4000-8000-000000000001';
const POLICY = `service "greeter" { policy = "write" } node_prefix "" { policy = "read" }`;

describe('the consul registry, where Consul wants a token', () => {
  let server: ConsulServer;
  const made: ConsulRegistry[] = [];
  const { clock, logger } = parts();
  before(async () => {
    const acl = { enabled: true, default_policy: 'deny', tokens: { initial_management: ROOT, agent: ROOT } };
    server = await ConsulServer.start({ config: { acl } });
    // It takes a moment until it knows its own tokens.
    for (;;)
      try {
        await server.ask('PUT', '/v1/acl/policy', { Name: 'registry', Rules: POLICY }, ROOT);
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    await server.ask('PUT', '/v1/acl/token', { SecretID: SECRET, Policies: [{ Name: 'registry' }] }, ROOT);
  });
  after(async () => {
    for (const registry of made) registry.stop();
    await server.stop();
  });
  function make(options: ConsulOptions): ConsulRegistry {
    const registry = new ConsulRegistry({ addresses: [server.address], ...options }, { clock, logger });
    made.push(registry);
    return registry;
  }

  it('takes its token apart, or in an address', async () => {
    await works(make({ token: SECRET }), 'a');
    await works(make({ addresses: [`http://${SECRET}@${server.address}`] }), 'b');
  });

  it('fails its start at once for a token that nobody knows, and says that word', async () => {
    const unknown = 'c0ffee00-0000-4000-8000-00000000dead';
    hides(unknown, await refused(make({ token: unknown }), 'unauthenticated', /wrong token/));
  });

  it('says what is missing where it has none: Consul itself shows it nothing, and not why', async () => {
    const registry = make({});
    await registry.start();
    assert.deepEqual(await registry.listServices(), []);
    const error = await failure(registry.register(record('a')));
    assert.equal(error.code, 'permission_denied');
    assert.match(error.message, /set a token with service:write/);
  });

  it('says what is missing where its token is of another service', async () => {
    const registry = make({ token: SECRET });
    await registry.start();
    const error = await failure(registry.register({ ...record('a'), name: 'other' }));
    assert.equal(error.code, 'permission_denied');
    hides(SECRET, error);
  });

  it('never shows what is secret', async () => {
    await server.kill();
    const lost = make({ token: SECRET, connectTimeoutMs: 300 });
    hides(SECRET, await refused(lost, 'unavailable', /found no Consul/));
    for (const registry of made) hides(SECRET, ...shownBy(registry, logger));
  });
});
