// Threads as values, and THREAD's response (RFC 5256 §4). A node without a message stands for one that is not here. No
// recursion: a thread of ten thousand replies is ten thousand deep.

export interface ThreadNode {
  /** Sequence number or UID; undefined for a message that is not here. */
  readonly number: number | undefined;
  readonly children: readonly ThreadNode[];
}

/** What threading needs of a message. */
export interface ThreadedMessage {
  readonly number: number;
  /** Milliseconds: the sent date, INTERNALDATE where there is none. */
  readonly time: number;
  readonly messageId: string | undefined;
  /** Ids of the messages this one answers, the oldest first. */
  readonly references: readonly string[];
  /** As `collationKey` makes it of the base subject. */
  readonly subject: string;
  /** The subject had a `Re:` or the like. */
  readonly isReply: boolean;
}

type Task =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'thread' | 'child'; readonly node: ThreadNode };

/** `(1 2)(3 (4)(5))`: a chain goes on behind a space, where it parts each branch has parentheses. */
export function formatThreads(roots: readonly ThreadNode[]): string {
  const pieces: string[] = [];
  const tasks: Task[] = [];
  const push = (nodes: readonly ThreadNode[]): void => {
    for (let at = nodes.length - 1; at >= 0; at--)
      tasks.push({ kind: 'thread', node: nodes[at] as ThreadNode });
  };
  push(roots);
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    if (task.kind === 'text') {
      pieces.push(task.text);
      continue;
    }
    const { number, children } = task.node;
    if (task.kind === 'thread') {
      pieces.push('(');
      tasks.push({ kind: 'text', text: ')' });
    } else if (number !== undefined) {
      pieces.push(' ');
    }
    if (number !== undefined) pieces.push(String(number));
    const [only] = children;
    if (children.length === 1 && only !== undefined) {
      tasks.push({ kind: 'child', node: only });
    } else if (children.length > 1) {
      if (number !== undefined) pieces.push(' ');
      push(children);
    }
  }
  return pieces.join('');
}
