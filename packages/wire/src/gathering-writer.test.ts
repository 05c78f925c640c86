import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatheringWriter } from './gathering-writer.ts';
import type { SessionHost } from './session.ts';

/** Keeps copies, as a socket that has sent at once; `lazy` calls `taken` only when asked to. */
function newHost(lazy = false): {
  host: SessionHost;
  written: Buffer[];
  taken: (() => void)[];
  pending: Uint8Array[];
  state: { room: boolean; drained: () => void };
} {
  const written: Buffer[] = [];
  const pending: Uint8Array[] = [];
  const taken: (() => void)[] = [];
  const state = { room: true, drained: (): void => {} };
  const host = {
    write(bytes: Uint8Array, done?: () => void): boolean {
      written.push(Buffer.from(bytes));
      pending.push(bytes);
      if (done) taken.push(done);
      if (!lazy) for (const call of taken.splice(0)) call();
      return state.room;
    },
    drained: () => new Promise<void>((resolve) => (state.drained = resolve)),
  } as unknown as SessionHost;
  return { host, written, taken, pending, state };
}

describe('gathered output', () => {
  it('is what was given, in order, whatever the sizes', () => {
    const piece = fc.tuple(fc.boolean(), fc.constantFrom(0, 1, 900, 1100, 5000, 16_384, 16_385, 70_000));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const { host, written } = newHost();
        const writer = new GatheringWriter(host);
        let expected = '';
        for (const [at, [isText, length]] of pieces.entries()) {
          const text = String.fromCharCode(97 + (at % 26)).repeat(length) + '\xe9';
          expected += text;
          if (isText) writer.text(text);
          else writer.bytes(Buffer.from(text, 'latin1'));
        }
        writer.flush();
        expect(Buffer.concat(written).toString('latin1') === expected).toBe(true);
        expect(writer.octets).toBe(expected.length);
      }),
      { numRuns: 50 },
    );
  });

  it('leaves in few writes', () => {
    const { host, written } = newHost();
    const writer = new GatheringWriter(host);
    for (let i = 0; i < 100; i++) {
      writer.text(`* ${i} FETCH (`);
      writer.bytes(Buffer.alloc(4000, 97));
      writer.text(')\r\n');
    }
    writer.flush();
    writer.flush();
    expect(written.length).toBe(Math.ceil(Buffer.concat(written).length / 65_536));
  });

  it('leaves alone what the connection has not taken', () => {
    const { host, written, pending, taken } = newHost(true);
    const writer = new GatheringWriter(host);
    for (const letter of [97, 98, 99, 100, 101, 102]) writer.bytes(Buffer.alloc(16_000, letter));
    writer.flush();
    expect(pending.map((bytes, i) => written[i]?.equals(bytes))).toEqual([true, true]);
    for (const call of taken.splice(0)) call();
    for (const letter of [103, 104, 105, 106, 107]) writer.bytes(Buffer.alloc(16_000, letter));
    // What was taken is filled again.
    expect(pending[2]?.buffer === pending[1]?.buffer || pending[2]?.buffer === pending[0]?.buffer).toBe(true);
  });

  it('says when the client does not keep up', async () => {
    const { host, state } = newHost();
    const writer = new GatheringWriter(host);
    state.room = false;
    writer.text('x');
    expect(writer.blocked).toBe(false);
    writer.flush();
    expect(writer.blocked).toBe(true);
    const ready = writer.ready();
    expect(writer.blocked).toBe(true);
    state.drained();
    await ready;
    expect(writer.blocked).toBe(false);
  });
});
