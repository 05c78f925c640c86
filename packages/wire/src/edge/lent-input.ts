// Lets a socket read into memory that all such sockets share. A stream's own reading takes a fresh buffer of 64 KiB for
// every read, whose pages the kernel must clear and the collector find: for a large message that is more work than all
// else that is done with it.
//
// It is what `onread` of net.Socket does, which sockets that a server accepted or another process sent cannot be given;
// hence a look at how the runtime keeps it. lent-input.test.ts fails when an upgrade changes that; sockets read as usual
// then.

import type { Socket } from 'node:net';

/** As much as one read takes at most. */
const LENT_OCTETS = 64 * 1024;
let shared: Buffer | undefined;

interface LendingHandle {
  useUserBuffer?(buffer: Buffer): void;
}

type Slots = Record<symbol, unknown>;
type SlotName = 'kBuffer' | 'kBufferCb';

/** The same for all sockets. */
const found = new Map<SlotName, symbol>();

/**
 * From now on `take` gets what the socket receives, in place of its 'data' listeners. The octets are good until `take`
 * returns. False: this socket cannot; nothing was changed.
 */
export function lendInput(socket: Socket, take: (chunk: Buffer) => void): boolean {
  const handle = (socket as Socket & { _handle?: LendingHandle | null })._handle;
  const slots = socket as unknown as Slots;
  const buffer = slotOf(socket, 'kBuffer');
  const callback = slotOf(socket, 'kBufferCb');
  if (typeof handle?.useUserBuffer !== 'function' || buffer === undefined || callback === undefined)
    return false;
  // What the stream holds already would come after what is still to come.
  if (socket.readableLength > 0 || slots[buffer]) return false;
  shared ??= Buffer.allocUnsafeSlow(LENT_OCTETS);
  const memory = shared;
  slots[buffer] = memory;
  slots[callback] = (octets: number): boolean => {
    take(memory.subarray(0, octets));
    return true;
  };
  handle.useUserBuffer(memory);
  return true;
}

function slotOf(socket: Socket, name: SlotName): symbol | undefined {
  const known = found.get(name);
  if (known !== undefined) return known;
  const slot = Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);
  if (slot !== undefined) found.set(name, slot);
  return slot;
}
