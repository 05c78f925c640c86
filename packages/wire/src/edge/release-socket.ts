// Takes a socket out of its stream, so that the connection can be sent to another process with nothing lost: what the
// stream has read comes back, and nothing more is read here.
//
// Node sends a socket's descriptor and drops what its stream holds; and a paused stream goes on filling itself. The
// handle's `readStop` is not documented; a test sends a busy connection and counts its octets.

import type { Socket } from 'node:net';

interface ReadingHandle {
  reading: boolean;
  readStop(): number;
}

/** What was read and not taken. The caller sends the socket away, or destroys it, in the same turn of the event loop. */
export function releaseSocket(socket: Socket): Buffer {
  socket.pause();
  socket.removeAllListeners('data');
  const pieces: Buffer[] = [];
  for (let piece = socket.read() as Buffer | null; piece !== null; piece = socket.read() as Buffer | null)
    pieces.push(piece);
  // Last: taking from a stream makes it read again.
  const handle = (socket as Socket & { _handle?: ReadingHandle | null })._handle;
  if (handle) {
    handle.reading = false;
    handle.readStop();
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}
