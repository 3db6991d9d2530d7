import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Context } from '../../src/core/context.js';
import { Metadata } from '../../src/core/metadata.js';
import { principalOf } from '../../src/core/principal.js';
import { parts } from '../support/parts.js';

function named(...san: readonly string[]): readonly [string, string] | undefined {
  const found = principalOf({ subject: 'CN=desk', san, fingerprint256: 'AB' });
  assert.deepEqual(found?.san, found && san);
  return found && [found.kind, found.subject];
}

describe('the principal of a certificate', () => {
  it('is its SPIFFE id, else a URI, else a DNS name, else an e-mail address', () => {
    const [mail, dns, uri] = ['email:desk@example.org', 'DNS:desk.local', 'URI:https://example.org/desk'];
    assert.deepEqual(named('IP Address:10.0.0.7', mail), ['email', 'desk@example.org']);
    assert.deepEqual(named(mail, dns, 'DNS:other.local'), ['dns', 'desk.local']);
    assert.deepEqual(named(mail, dns, uri), ['uri', 'https://example.org/desk']);
    assert.deepEqual(named(dns, 'URI:spiffe://example.org/desk'), ['spiffe', 'spiffe://example.org/desk']);
  });

  it('is nobody for a certificate without names, whatever its subject, and for one with two SPIFFE ids', () => {
    assert.equal(named(), undefined);
    assert.equal(named('IP Address:10.0.0.7'), undefined);
    assert.equal(named('DNS:desk.local', 'URI:spiffe://a/b', 'URI:spiffe://a/c'), undefined);
    assert.equal(named('URI:https://example.org', 'URI:SPIFFE://a/c'), undefined);
  });

  it('is read as it is meant where it holds what divides names', () => {
    assert.deepEqual(named('URI:"https://example.org/a, DNS:b\\u00e9"'), [
      'uri',
      'https://example.org/a, DNS:bé',
    ]);
  });

  it('is that of the context, until a wrapper says another one', () => {
    const { clock, logger } = parts();
    const certificate = { subject: 'CN=desk', san: ['DNS:desk.local'], fingerprint256: 'AB' };
    const of = (peer: Context['peer']): Context =>
      new Context({ service: 's', endpoint: 'e', clock, logger, metadata: new Metadata(), peer });
    const context = of({ address: '', octavo: true, certificate });
    assert.equal(context.principal?.subject, 'desk.local');
    assert.equal(context.detach().principal?.subject, 'desk.local');
    context.principal = { subject: 'ada' };
    assert.equal(context.detach().principal?.subject, 'ada');
    assert.equal(of({ address: '', octavo: true }).principal, undefined);
  });
});
