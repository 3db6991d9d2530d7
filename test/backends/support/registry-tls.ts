import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import type { TlsOptions } from '../../../src/core/tls.js';
import type { Registry } from '../../../src/registry/registry.js';
import { Authority, type Pair } from '../../support/certificates.js';
import { reloads } from './tls-reload.js';
import { eventually, failure, record, Told } from './registry-faults.js';

export interface TlsBench {
  /** As errors call it. */
  readonly name: string;
  readonly start: (
    tls: Pair & { readonly clientCa?: string },
  ) => Promise<{ readonly address: string; stop(): Promise<void> }>;
  readonly make: (address: string, tls: Omit<TlsOptions, 'clientAuth'> | undefined) => Registry;
  /** Whether certificates may be left unchecked. @defaultValue `true` */
  readonly verifies?: boolean;
}

const authority = await Authority.make();
const { ca } = authority;
const here = await authority.issue('server', { san: 'IP:127.0.0.1' });
const elsewhere = await authority.issue('elsewhere', { san: 'DNS:registry.example' });
const client = await authority.issue('client');

/** What any registry on a server keeps over TLS. */
export function registryTls(bench: TlsBench): void {
  const on = (
    tls: Pair & { readonly clientCa?: string },
    run: (
      make: (tls?: Omit<TlsOptions, 'clientAuth'>, address?: string) => Registry,
      address: string,
    ) => Promise<void>,
  ) => {
    return async (): Promise<void> => {
      const server = await bench.start(tls);
      const made: Registry[] = [];
      try {
        await run((options, address = server.address) => {
          const registry = bench.make(address, options);
          made.push(registry);
          return registry;
        }, server.address);
      } finally {
        for (const registry of made) await registry.stop();
        await server.stop();
      }
    };
  };

  it(
    'trusts a server by an authority given as a path, text or bytes, and does everything there',
    on(here, async (make, address) => {
      for (const [n, given] of [ca, readFileSync(ca, 'utf8'), readFileSync(ca)].entries()) {
        const registry = make({ ca: given }, n === 0 ? address : `https://${address}`);
        await registry.start();
        const told = new Told(registry.watch({ service: 'greeter' }));
        await registry.register(record(`a${n}`), { ttlMs: 10_000 });
        await told.until(`create a${n}`);
        await eventually(registry, [`a${n}`]);
        await registry.deregister(record(`a${n}`));
        await told.until(`delete a${n}`);
      }
    }),
  );

  it(
    'refuses a server that nobody it knows has signed',
    on(here, async (make, address) => {
      const error = await failure(make(undefined, `https://${address}`).start() as Promise<void>);
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /is signed by nobody in tls\.ca: put its authority there/);
      if (bench.verifies !== false) await make({ verify: false }).start();
    }),
  );

  it(
    'refuses a server whose certificate is for another host, unless that is the one it looks for',
    on(elsewhere, async (make) => {
      const error = await failure(make({ ca }).start() as Promise<void>);
      assert.match(error.message, /is for somebody else: .*set tls\.serverName/);
      const registry = make({ ca, serverName: 'registry.example' });
      await registry.start();
      await registry.register(record('a'));
      await eventually(registry, ['a']);
    }),
  );

  it(
    'shows its own certificate to a server that asks for it',
    on({ ...here, clientCa: ca }, async (make) => {
      const error = await failure(make({ ca }).start() as Promise<void>);
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /tls\.cert/);
      const registry = make({ ca, cert: readFileSync(client.cert), key: readFileSync(client.key, 'utf8') });
      await registry.start();
      await registry.register(record('a'));
      await eventually(registry, ['a']);
    }),
  );

  it(
    'names a file that it cannot read',
    on(here, async (make) => {
      const error = await failure(make({ ca: '/nowhere/ca.pem' }).start() as Promise<void>);
      assert.equal(error.code, 'failed_precondition');
      assert.match(
        error.message,
        new RegExp(`tls\\.ca of the ${bench.name} registry \\(/nowhere/ca\\.pem\\): the file cannot be read`),
      );
    }),
  );

  reloads({
    start: bench.start,
    make: bench.make,
    works: async (registry) => {
      await registry.register(record('a'), { ttlMs: 10_000 });
      assert.ok((await registry.getService('greeter')).length > 0);
    },
  });
}
