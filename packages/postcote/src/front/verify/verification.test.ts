import { describe, expect, it } from 'vitest';
import {
  AddressVerification,
  type KnownAddress,
  type ProbeResult,
  type VerifySettings,
} from './verification.ts';

const SETTINGS: VerifySettings = {
  positiveExpire: 31 * 86_400_000,
  positiveRefresh: 7 * 86_400_000,
  negativeExpire: 3 * 86_400_000,
  negativeRefresh: 3 * 3_600_000,
  negativeCache: true,
  pendingLimit: 2,
};
const GOOD: ProbeResult = { status: 'deliverable', text: '250 ok' };
const BAD: ProbeResult = { status: 'undeliverable', text: 'unknown user' };
const HOUR = 3_600_000;

class World {
  time = 1_000_000_000;
  readonly probed: string[] = [];
  readonly known = new Map<string, KnownAddress>();
  answer: ProbeResult = GOOD;
  hold = false;
  readonly verification: AddressVerification;

  constructor(settings: Partial<VerifySettings> = {}) {
    this.verification = new AddressVerification({
      known: Object.assign(this.known, {
        sweep: (isOver: (value: KnownAddress) => boolean) => {
          for (const [key, value] of this.known) if (isOver(value)) this.known.delete(key);
        },
      }),
      probe: (address) => {
        this.probed.push(address);
        return this.hold ? new Promise(() => {}) : Promise.resolve(this.answer);
      },
      now: () => this.time,
      settings: () => ({ ...SETTINGS, ...settings }),
    });
  }

  async kind(address = 'a@b.example'): Promise<string> {
    const answer = await this.verification.query(address);
    if (answer.kind === 'pending' && !this.hold) await answer.settled;
    return answer.kind;
  }
}

describe('address verification', () => {
  it('probes an address that nobody knows, and then knows it', async () => {
    const world = new World();
    expect(await world.kind()).toBe('pending');
    expect(await world.kind()).toBe('deliverable');
    expect(await world.kind('a@B.Example')).toBe('deliverable');
    expect(world.probed).toEqual(['a@b.example']);
  });

  it('probes again when what it knows is old, and answers meanwhile', async () => {
    const world = new World();
    await world.kind();
    world.time += SETTINGS.positiveRefresh;
    expect(await world.kind()).toBe('deliverable');
    expect(world.probed).toHaveLength(2);
    expect(await world.kind()).toBe('deliverable');
    expect(world.probed).toHaveLength(2);
  });

  it('keeps a good address through probes that fail, until its time is over', async () => {
    const world = new World();
    await world.kind();
    world.answer = BAD;
    world.time += SETTINGS.positiveRefresh;
    await world.kind();
    expect(await world.kind()).toBe('deliverable');
    world.time += SETTINGS.positiveExpire;
    expect(await world.kind()).toBe('pending');
    expect(await world.kind()).toBe('undeliverable');
  });

  it('remembers failures for their own time, and takes them back when a probe succeeds', async () => {
    const world = new World();
    world.answer = BAD;
    await world.kind();
    expect(await world.kind()).toBe('undeliverable');
    world.answer = GOOD;
    world.time += SETTINGS.negativeRefresh;
    expect(await world.kind()).toBe('undeliverable');
    expect(await world.kind()).toBe('deliverable');
  });

  it('does not keep failures where it is told not to', async () => {
    const world = new World({ negativeCache: false });
    world.answer = BAD;
    await world.kind();
    // Who waits for the probe still hears of it.
    expect(await world.kind()).toBe('undeliverable');
    expect(world.known.size).toBe(0);
    world.time += HOUR;
    expect(await world.kind()).toBe('pending');
  });

  it('asks once for what is asked at the same time, and for no more than its limit', async () => {
    const world = new World();
    world.hold = true;
    for (const address of ['a@x', 'a@x', 'b@x', 'c@x']) await world.kind(address);
    expect(world.probed).toEqual(['a@x', 'b@x']);
  });

  it('forgets what is over', async () => {
    const world = new World();
    await world.kind();
    world.time += SETTINGS.positiveExpire;
    world.verification.sweep();
    expect(world.known.size).toBe(0);
  });
});
