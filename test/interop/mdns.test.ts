import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  announcePacket,
  answerPacket,
  heardIn,
  listedIn,
  listPacket,
  Names,
  readPacket,
} from '../../src/registry/mdns/packets.js';
import { capture } from '../support/capture.js';

const NAMES = new Names('micro');

/** The packets of a recording that are there in full, as hex. */
function packets(name: string): Buffer[] {
  return [...capture(name).matchAll(/^(?: {2}hex|HEX \S+) ([0-9a-f]+)$/gm)].map(([, hex = '']) =>
    Buffer.from(hex, 'hex'),
  );
}

describe('what a recorded Go responder sent', () => {
  it('is read: its announcements are its nodes, with endpoints and metadata', () => {
    const heard = packets('mdns-probe-announce-hex-v4.11').flatMap((bytes) => {
      const packet = readPacket(bytes);
      assert.ok(packet !== undefined);
      return heardIn(packet, NAMES);
    });
    const greeter = heard.find(({ service }) => service.name === 'greeter');
    assert.equal(greeter?.node.id, 'greeter-11111111-2222-3333-4444-555555555555');
    assert.equal(greeter.node.address, '127.0.0.1:40001');
    assert.equal(greeter.node.metadata['protocol'], 'mucp');
    assert.ok(greeter.service.endpoints.some(({ name }) => name === 'Greeter.Hello'));
    assert.equal(greeter.goodbye, false);
    const queued = heard.find(
      ({ service, node }) => service.name === 'micro.http.broker' && node.metadata['topic'] === 'queued',
    );
    assert.equal(queued?.service.version, 'q1');
  });

  it('is read: its probes, which have no answers, say nothing', () => {
    const [probe] = packets('mdns-probe-announce-hex-v4.11');
    const packet = readPacket(probe ?? Buffer.alloc(0));
    assert.equal(packet?.type, 'query');
    assert.deepEqual(heardIn(packet, NAMES), []);
  });

  it('is read: which services there are', () => {
    const listed = packets('mdns-answers-v4.11').flatMap((bytes) => {
      const packet = readPacket(bytes);
      return packet === undefined ? [] : listedIn(packet, NAMES);
    });
    assert.deepEqual(listed.sort(), ['greeter', 'micro.http.broker']);
  });

  it('means the same as what we send for it', () => {
    const theirs = packets('mdns-answers-v4.11').map(readPacket);
    for (const service of ['greeter', 'micro.http.broker']) {
      const ours = readPacket(listPacket(service, NAMES, 'vm'));
      const same = theirs.find((packet) => packet !== undefined && listedIn(packet, NAMES)[0] === service);
      assert.deepEqual(
        [ours?.questions, ours?.answers, ours?.flags],
        [same?.questions, same?.answers, same?.flags],
      );
    }
  });

  it('has records in the order of ours, A right behind its SRV', () => {
    const service = { name: 'greeter', version: '1', metadata: {}, endpoints: [], nodes: [] };
    const node = { id: 'greeter-1', address: '127.0.0.1:40001', metadata: {} };
    const answer = readPacket(answerPacket('greeter.micro', 'PTR', { service, node }, NAMES, 'vm'));
    assert.deepEqual(
      answer?.answers?.map(({ type }) => type),
      ['PTR', 'SRV', 'A', 'TXT'],
    );
    assert.equal(answer.questions?.[0]?.name, 'greeter.micro');
    const theirs = readPacket(packets('mdns-probe-announce-hex-v4.11')[1] ?? Buffer.alloc(0));
    const announced = readPacket(announcePacket({ service, node }, NAMES, 'vm', false));
    assert.deepEqual(
      announced?.answers?.map(({ type }) => type),
      theirs?.answers?.map(({ type }) => type),
    );
    assert.equal(announced?.questions?.length, 0);
  });
});
