import { describe, expect, it } from 'vitest';
import { RequestDeadline } from './request-deadline.ts';
import { Dialog } from './testing/index.ts';

describe('a deadline for whole requests', () => {
  const at = (start = 0): { readonly deadline: RequestDeadline; time: number } => {
    const state = { time: start, deadline: undefined as unknown as RequestDeadline };
    state.deadline = new RequestDeadline(
      { now: () => new Date(state.time) },
      { timeout: 10_000, minDataRate: 500 },
    );
    return state;
  };

  it('is not moved by octets of a command', () => {
    const state = at();
    for (state.time = 0; state.time <= 10_000; state.time += 1000)
      expect(state.deadline.isOver(1, 'command')).toBe(false);
    expect(state.deadline.isOver(1, 'command')).toBe(true);
    state.deadline.begin();
    expect(state.deadline.isOver(1, 'command')).toBe(false);
  });

  it('lets a message live as long as it keeps its rate', () => {
    const fast = at();
    for (fast.time = 0; fast.time < 100_000; fast.time += 1000)
      expect(fast.deadline.isOver(500, 'message')).toBe(false);
    const slow = at();
    for (slow.time = 0; slow.time < 100_000 && !slow.deadline.isOver(50, 'message'); slow.time += 1000);
    expect(slow.time).toBeGreaterThan(10_000);
    expect(slow.time).toBeLessThan(13_000);
  });
});

describe('smtpd_per_request_deadline', () => {
  const trickle = async (perRequestDeadline: boolean): Promise<string> => {
    const dialog = new Dialog({ settings: { perRequestDeadline, timeout: 5000 } });
    await dialog.read();
    let said = '';
    for (const octet of 'EHLO slow.example\r\n') {
      dialog.world.clock.time = new Date(dialog.world.clock.now().getTime() + 1000);
      said += await dialog.send(octet);
    }
    return said;
  };

  it('ends a session that trickles', async () => {
    expect(await trickle(true)).toMatch(/^421 4\.4\.2 mail\.example\.com Error: timeout exceeded\r\n$/);
  });

  it('leaves it alone where it is off', async () => {
    expect(await trickle(false)).toMatch(/^250-/);
  });
});
