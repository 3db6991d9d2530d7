import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { bits, der, oid, sequence, TAG, time } from './der.js';

/** A certificate and its private key, as PEM text. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** An authority: who it is, and the key that it signs with. */
export interface Issuer extends Issued {
  /** The common name in its certificate. */
  readonly name: string;
}

export interface IssueOptions {
  /** The common name. */
  readonly name: string;
  /** `DNS:localhost`, `IP:127.0.0.1`, `URI:spiffe://example.org/desk`, `email:desk@example.org`. @defaultValue none */
  readonly san?: readonly string[];
  /** Whether it may sign others. @defaultValue `false` */
  readonly authority?: boolean;
  /** Who signs it. @defaultValue itself */
  readonly by?: Issuer;
  readonly from: Date;
  readonly to: Date;
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const COMMON_NAME = oid('2.5.4.3');
const SERVER_AND_CLIENT = sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'));
const YES = der(TAG.boolean, Buffer.of(0xff));

/**
 * Makes a key on P-256 and a certificate for it, of version 3 as RFC 5280 has it, for servers and clients alike.
 *
 * For development and tests: nothing is asked, noted or revoked, as an authority in earnest does. `docs/decisions/dev-tls.md` says why it is here.
 */
export function issue({ name, san = [], authority = false, by, from, to }: IssueOptions): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const signer = by === undefined ? privateKey : createPrivateKey(by.key);
  const above = by === undefined ? spki : createPublicKey(by.cert).export({ type: 'spki', format: 'der' });
  const extensions = [
    extension('2.5.29.19', authority ? sequence(YES) : sequence(), true),
    // Which bits are set of a key's uses: the two that sign certificates and lists, or the one that signs all else.
    extension('2.5.29.15', authority ? bits(Buffer.of(0x06), 1) : bits(Buffer.of(0x80), 7), true),
    extension('2.5.29.14', der(TAG.bytes, idOf(spki))),
    extension('2.5.29.35', sequence(der(0x80, idOf(above)))),
    ...(authority ? [] : [extension('2.5.29.37', SERVER_AND_CLIENT)]),
    ...(san.length === 0 ? [] : [extension('2.5.29.17', sequence(...san.map(alternative)))]),
  ];
  const said = sequence(
    der(0xa0, der(TAG.integer, Buffer.of(2))),
    der(TAG.integer, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    ECDSA_SHA256,
    named(by?.name ?? name),
    sequence(time(from), time(to)),
    named(name),
    spki,
    der(0xa3, sequence(...extensions)),
  );
  const whole = sequence(said, ECDSA_SHA256, bits(sign('sha256', said, signer)));
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { cert: pemOf(whole), key };
}

function named(name: string): Buffer {
  return sequence(der(TAG.set, sequence(COMMON_NAME, der(TAG.utf8, Buffer.from(name)))));
}

function extension(id: string, value: Uint8Array, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [YES] : []), der(TAG.bytes, value));
}

/** What tells keys apart: RFC 7093 section 2, method 4. */
function idOf(spki: Uint8Array): Buffer {
  return createHash('sha256').update(spki).digest().subarray(0, 20);
}

/** A name as RFC 5280 section 4.2.1.6 has it. */
function alternative(name: string): Buffer {
  const [, kind = '', value = ''] = /^(\w+):(.*)$/s.exec(name) ?? [];
  if (kind === 'IP') return der(0x87, bytesOf(value));
  const tag = { email: 0x81, DNS: 0x82, URI: 0x86 }[kind];
  if (tag === undefined) throw new TypeError(`"${name}" is no name of DNS:, IP:, URI: or email:`);
  return der(tag, Buffer.from(value, 'latin1'));
}

/** The bytes of an IP address. */
function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (!isIPv6(address)) throw new TypeError(`"${address}" is no IP address`);
  const [head = '', tail] = address.split('::');
  const groups = (text: string): readonly string[] => text.split(':').filter((group) => group !== '');
  const [before, behind] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: 8 - before.length - behind.length }, () => '0');
  return Buffer.from([...before, ...zeros, ...behind].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function pemOf(whole: Uint8Array): string {
  const lines =
    Buffer.from(whole)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
