// Waits on an accepted socket for the proxy's header and leaves what follows it unread. The socket has an owner again
// when this is through: the caller on success, nobody on failure (it is destroyed).

import type { Socket } from 'node:net';
import type { Peer } from '@postcote/wire';
import { MAX_PROXY_HEADER, parseProxyHeader } from '../proxy-header.ts';

export type ProxyReading =
  /** `peer` is absent where the proxy speaks for itself. */
  { readonly kind: 'ready'; readonly peer?: Peer } | { readonly kind: 'failed'; readonly reason: string };

export function readProxyHeader(socket: Socket, timeout: number): Promise<ProxyReading> {
  return new Promise((settle) => {
    let octets = Buffer.alloc(0);
    const finish = (reading: ProxyReading): void => {
      clearTimeout(timer);
      socket.off('readable', read);
      socket.off('error', broken);
      socket.off('end', ended);
      socket.off('close', ended);
      if (reading.kind === 'failed') {
        // A late error must find an ear.
        socket.on('error', () => {});
        socket.destroy();
      }
      settle(reading);
    };
    const read = (): void => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
        octets = Buffer.concat([octets, chunk]);
        if (octets.length > 2 * MAX_PROXY_HEADER + 64 * 1024) break;
      }
      if (octets.length === 0) return;
      const header = parseProxyHeader(octets);
      if (header.kind === 'needMore') return;
      if (header.kind === 'malformed') return finish({ kind: 'failed', reason: header.reason });
      socket.off('readable', read);
      const rest = octets.subarray(header.length);
      if (rest.length > 0) socket.unshift(rest);
      finish(header.kind === 'proxied' ? { kind: 'ready', peer: header.peer } : { kind: 'ready' });
    };
    const broken = (error: Error): void => finish({ kind: 'failed', reason: error.message });
    const ended = (): void => finish({ kind: 'failed', reason: 'unexpected EOF' });
    const timer = setTimeout(() => finish({ kind: 'failed', reason: 'timeout error' }), timeout);
    socket.on('readable', read);
    socket.on('error', broken);
    socket.on('end', ended);
    socket.on('close', ended);
  });
}
