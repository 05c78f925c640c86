// Reads what `strace -f -y -o FILE` wrote: system calls in the order in which they returned. A call that another thread
// interrupted on paper (`<unfinished …>`, `<… resumed>`) is put together again.

export interface SystemCall {
  readonly pid: number;
  readonly name: string;
  readonly args: string;
  /** What it returned, as text: `0`, `12</path>`, `-1 ENOENT (…)`. */
  readonly result: string;
}

export function readTrace(text: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const pending = new Map<number, string>();
  for (const line of text.split('\n')) {
    const match = /^(\d+)\s+(.*)$/.exec(line);
    if (match === null) continue;
    const pid = Number(match[1]);
    let rest = match[2] ?? '';
    if (rest.endsWith('<unfinished ...>')) {
      pending.set(pid, rest.slice(0, -'<unfinished ...>'.length).trimEnd());
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (resumed !== null) {
      rest = (pending.get(pid) ?? '') + (resumed[1] ?? '');
      pending.delete(pid);
    }
    const call = /^(\w+)\((.*)\)\s+= (.*)$/.exec(rest);
    if (call === null) continue;
    calls.push({ pid, name: call[1] ?? '', args: call[2] ?? '', result: call[3] ?? '' });
  }
  return calls;
}
