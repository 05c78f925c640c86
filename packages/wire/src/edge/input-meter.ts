// Counts what all sockets of the process receive. Read buffers live outside V8's heap: it does not feel them as
// pressure, and a flood on one connection would leave tens of megabytes of dead ones behind. Whoever runs the process
// can have the garbage collected in time.

let observer: ((octets: number) => void) | undefined;

/** One observer a process: called with the octets of each read. */
export function observeInput(observe: (octets: number) => void): void {
  observer = observe;
}

export function countInput(octets: number): void {
  observer?.(octets);
}
