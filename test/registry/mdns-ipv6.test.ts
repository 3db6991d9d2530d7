import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import type { scenes } from './mdns-ipv6-scenes.js';

const NODE = { id: 'greeter-1', address: '[fd00::1]:4001', metadata: {} };
const GREETER = { name: 'greeter', version: '1', metadata: {}, endpoints: [], nodes: [NODE] };

/** Two interfaces that lead to each other, and nowhere else. */
const IPV6 = [
  'ip link set lo up',
  'ip link add v0 type veth peer name v1',
  'ip link set v0 addrgenmode none',
  'ip link set v0 up',
  'ip link set v1 up',
  'ip -6 addr add fe80::1/64 dev v0 nodad',
];
const WITHOUT_IPV6 = ['echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6', 'ip link set lo up'];

/** Runs a scene in a network of its own, which goes with it: no packet leaves. */
function run(scene: keyof typeof scenes, setUp: readonly string[]): unknown {
  const module = new URL('mdns-ipv6-scenes.js', import.meta.url).href;
  const script = `
    import { scenes } from '${module}';
    const alive = setInterval(() => {}, 1_000);
    process.stdout.write(JSON.stringify(await scenes.${scene}()));
    clearInterval(alive);
  `;
  const within = [...setUp, 'exec "$0" --input-type=module -e "$1"'].join(' && ');
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['-n', 'sh', '-c', within, process.execPath, script],
    { encoding: 'utf8', timeout: 30_000 },
  );
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as unknown;
}

const possible = spawnSync('unshare', ['-n', 'sh', '-c', IPV6.join(' && ')]).status === 0;
const skip = possible ? false : 'needs root, iproute2 and IPv6: it makes a network of its own';

describe('the mdns registry on IPv6', { skip }, () => {
  it('finds, lists and watches nodes where there is nothing else', () => {
    assert.deepEqual(run('found', IPV6), {
      came: 'create',
      found: [GREETER],
      listed: ['greeter'],
      went: 'delete',
    });
  });

  it('is used without being asked for', () => {
    assert.deepEqual(run('everywhere', IPV6), NODE);
  });

  it('gives one node for each, though it is heard by both', () => {
    assert.deepEqual(run('plain', [...IPV6, 'ip addr add 10.9.9.1/24 dev v0']), [GREETER]);
  });

  it('is done without where it is switched off', () => {
    assert.deepEqual(run('plain', WITHOUT_IPV6), [GREETER]);
  });

  it('cannot help where there is no interface: it says so, and names another registry', () => {
    const said = run('refused', ['true']);
    assert.match(String(said), /^unavailable: mdns finds no interface .*MICRO_REGISTRY=memory/);
  });
});
