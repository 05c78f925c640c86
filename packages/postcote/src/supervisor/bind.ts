// Binds sockets without listening on them, so that the privileged process holds the ports and a child without
// privileges accepts: it finds the descriptor among its own and calls listen() itself. While a child is being
// restarted the socket keeps its queue, and no connection is refused.

import net from 'node:net';

export interface BoundSocket {
  readonly fd: number;
  close(): void;
}

interface ServerHandle {
  readonly fd: number;
  close(): void;
  /** Zero, or a negative error number; also reports what libuv kept back at bind. */
  getsockname?(out: object): number;
}

/**
 * What node:cluster itself binds with. It is not documented, and the documented ways all begin to accept in this
 * process; `bind.test.ts` fails when it changes.
 */
type CreateServerHandle = (
  address: string,
  port: number,
  addressType: 4 | 6 | -1,
  fd?: number,
  flags?: number,
) => ServerHandle | number;
const createServerHandle = (net as unknown as { _createServerHandle: CreateServerHandle })
  ._createServerHandle;

const UV_TCP_IPV6ONLY = 1;

export class BindError extends Error {
  override readonly name = 'BindError';
}

/** Binds `address:port`. Throws `BindError` that says what to do. An IPv6 address is bound for IPv6 alone. */
export function bindTcp(address: string, port: number): BoundSocket {
  const family = net.isIPv6(address) ? 6 : 4;
  const handle = createServerHandle(address, port, family, -1, family === 6 ? UV_TCP_IPV6ONLY : 0);
  if (typeof handle === 'number') throw new BindError(explain(handle, `${address} port ${port}`));
  // libuv answers EADDRINUSE only at listen(); unnoticed here, the child would listen on some other port.
  const late = handle.getsockname?.({}) ?? 0;
  if (late !== 0) {
    handle.close();
    throw new BindError(explain(late, `${address} port ${port}`));
  }
  return { fd: handle.fd, close: () => handle.close() };
}

/** Binds a unix socket at `path`, which must not exist. */
export function bindUnix(path: string): BoundSocket {
  const handle = createServerHandle(path, -1, -1);
  if (typeof handle === 'number') throw new BindError(explain(handle, path));
  return { fd: handle.fd, close: () => handle.close() };
}

function explain(status: number, where: string): string {
  switch (-status) {
    case 98:
      return `${where} is in use by another program: stop it first (which one: ss -ltnp)`;
    case 13:
      return `no permission to listen on ${where}: ports below 1024 need root`;
    case 99:
      return `${where}: this machine does not have that address`;
    default:
      return `cannot listen on ${where}: system error ${-status}`;
  }
}
