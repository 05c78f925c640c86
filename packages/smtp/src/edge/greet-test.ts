// The pregreet test on an accepted socket: half a greeting, and then who speaks before the other half is there is no
// mail server. What was read is put back; the socket is the caller's again afterwards, unless it is gone.

import type { Socket } from 'node:net';

export type GreetResult =
  | { readonly kind: 'quiet' }
  | { readonly kind: 'spoke'; readonly octets: Buffer }
  | { readonly kind: 'gone' };

/** Octets that are looked at. */
const LOOK = 1024;

export function greetTest(
  socket: Socket,
  { teaser, wait }: { readonly teaser: string; readonly wait: number },
): Promise<GreetResult> {
  return new Promise((settle) => {
    const finish = (result: GreetResult): void => {
      clearTimeout(timer);
      socket.off('readable', read);
      socket.off('end', gone);
      socket.off('close', gone);
      socket.off('error', gone);
      if (result.kind === 'gone') {
        // A late error must find an ear.
        socket.on('error', () => {});
        socket.destroy();
      }
      settle(result);
    };
    const read = (): void => {
      const octets = socket.read() as Buffer | null;
      if (octets === null || octets.length === 0) return;
      socket.off('readable', read);
      socket.unshift(octets);
      finish({ kind: 'spoke', octets: octets.subarray(0, LOOK) });
    };
    const gone = (): void => finish({ kind: 'gone' });
    const timer = setTimeout(() => finish({ kind: 'quiet' }), wait);
    socket.on('readable', read);
    socket.on('end', gone);
    socket.on('close', gone);
    socket.on('error', gone);
    if (teaser !== '') socket.write(`220-${teaser}\r\n`);
  });
}
