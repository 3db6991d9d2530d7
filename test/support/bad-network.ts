import { portOf, RawUdp } from './raw-udp.js';

/** How many copies of a datagram arrive: 0 loses it, 2 doubles it. */
export type Fate = (bytes: Buffer) => number;

/** A UDP proxy on loopback that loses and doubles datagrams, whichever way they go. */
export class BadNetwork {
  readonly #front: RawUdp;
  readonly #backs = new Map<number, RawUdp>();
  readonly #target: number;
  readonly #fate: Fate;
  #closed = false;

  private constructor(front: RawUdp, target: number, fate: Fate) {
    this.#front = front;
    this.#target = target;
    this.#fate = fate;
    void this.#carry();
  }

  /** One before an address. */
  static async before(address: string, fate: Fate): Promise<BadNetwork> {
    return new BadNetwork(await RawUdp.open(), portOf(address), fate);
  }

  /** One that loses every n-th datagram. */
  static losing(address: string, n: number): Promise<BadNetwork> {
    let count = 0;
    return BadNetwork.before(address, () => (++count % n === 0 ? 0 : 1));
  }

  get address(): string {
    return this.#front.address;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#front.close();
    for (const back of this.#backs.values()) await back.close();
  }

  async #carry(): Promise<void> {
    for (;;) {
      const { bytes, from } = await this.#front.came.next();
      const back = this.#backs.get(from.port) ?? (await this.#open(from.port));
      if (this.#closed) return;
      for (let copies = this.#fate(bytes); copies > 0; copies--) void back.send(bytes, this.#target);
    }
  }

  async #open(caller: number): Promise<RawUdp> {
    const back = await RawUdp.open();
    this.#backs.set(caller, back);
    void this.#carryBack(back, caller);
    return back;
  }

  async #carryBack(back: RawUdp, caller: number): Promise<void> {
    for (;;) {
      const { bytes } = await back.came.next();
      if (this.#closed) return;
      for (let copies = this.#fate(bytes); copies > 0; copies--) void this.#front.send(bytes, caller);
    }
  }
}
