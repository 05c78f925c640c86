// THREAD=REFERENCES (RFC 5256 §4) and THREAD=REFS, which leaves subjects alone and puts first what was quiet longest.
//
// Steps: link by ids; drop empty containers; join roots of one subject; sort. Linear but for the sorting. A link that
// would make a loop is not made: containers of different trees cannot make one, and in one tree the way up is walked for
// a bounded number of steps.

import { sortInSlices } from '../sort/sort-in-slices.ts';
import type { ThreadedMessage, ThreadNode } from './threads.ts';

interface Container {
  message: ThreadedMessage | undefined;
  parent: Container | undefined;
  children: Container[];
  /** By what siblings are ordered: the message's date, or that of its first child (or the latest, for REFS). */
  time: number;
  /** Position of the first message, where dates are the same. */
  number: number;
  /** Towards the representative of its tree (union-find); trees that were one once may still share it. */
  tree: Container | undefined;
}

/** Steps up that are walked to find a loop; a link that would need more is not made. */
const MAX_WALK = 1000;

export type Breathe = () => Promise<void> | undefined;

export async function threadByReferences(
  messages: readonly ThreadedMessage[],
  options: { readonly bySubject: boolean; readonly breathe: Breathe },
): Promise<ThreadNode[]> {
  const { bySubject, breathe } = options;
  let roots = await prune(await link(messages, breathe), breathe);
  await settleTimes(roots, bySubject ? 'first' : 'latest', breathe);
  if (bySubject) {
    roots = await joinBySubject(await sortInSlices(roots, bySentDate, breathe), breathe);
    await settleTimes(roots, 'first', breathe);
  }
  return toNodes(await sortInSlices(roots, bySentDate, breathe), breathe);
}

const bySentDate = (a: Container, b: Container): number => a.time - b.time || a.number - b.number;

function container(message?: ThreadedMessage): Container {
  return { message, parent: undefined, children: [], time: 0, number: message?.number ?? 0, tree: undefined };
}

/** Steps 1 and 2 of RFC 5256: a container for each id that is named, linked to what it answers. Gives the roots. */
async function link(messages: readonly ThreadedMessage[], breathe: Breathe): Promise<Container[]> {
  const byId = new Map<string, Container>();
  const all: Container[] = [];
  const named = (id: string): Container => {
    let known = byId.get(id);
    if (known === undefined) {
      known = container();
      byId.set(id, known);
      all.push(known);
    }
    return known;
  };
  for (const message of messages) {
    await breathe();
    let own: Container;
    // A second message of one id, or one without, has an id that nobody knows.
    const known = message.messageId === undefined ? undefined : named(message.messageId);
    if (known !== undefined && known.message === undefined) own = known;
    else all.push((own = container()));
    own.message = message;
    own.number = message.number;
    let previous: Container | undefined;
    for (const id of message.references) {
      const next = named(id);
      if (previous !== undefined && next.parent === undefined) adopt(previous, next);
      previous = next;
    }
    // What the message itself says of its parent counts more than what others said.
    if (own.parent === previous) continue;
    own.parent = undefined;
    if (previous !== undefined) adopt(previous, own);
  }
  for (const one of all) if (one.parent !== undefined) one.parent.children.push(one);
  return all.filter(({ parent }) => parent === undefined);
}

/** Sets the parent of a root, unless that would make a loop. Lists of children are made at the end. */
function adopt(parent: Container, child: Container): void {
  const [above, below] = [treeOf(parent), treeOf(child)];
  if (above === below) {
    let up: Container | undefined = parent;
    for (let step = 0; up !== undefined; step++, up = up.parent) if (up === child || step > MAX_WALK) return;
  } else {
    below.tree = above;
  }
  child.parent = parent;
}

function treeOf(one: Container): Container {
  let root = one;
  while (root.tree !== undefined) root = root.tree;
  // Halves the way for the next who asks.
  for (let at = one; at.tree !== undefined && at.tree !== root;) {
    const next: Container = at.tree;
    at.tree = root;
    at = next;
  }
  return root;
}

/** Step 3: empty containers go; their children take their place, at the root only where there is but one. */
async function prune(roots: readonly Container[], breathe: Breathe): Promise<Container[]> {
  for (const one of await bottomUp(roots, breathe)) {
    await breathe();
    one.children = one.children.flatMap((child) => (child.message === undefined ? child.children : [child]));
  }
  const kept: Container[] = [];
  for (const root of roots) {
    if (root.message !== undefined || root.children.length > 1) kept.push(root);
    else if (root.children.length === 1) kept.push(root.children[0] as Container);
  }
  for (const one of kept) one.parent = undefined;
  return kept;
}

/** Children before their parents. */
async function bottomUp(roots: readonly Container[], breathe: Breathe): Promise<Container[]> {
  const order: Container[] = [...roots];
  for (let at = 0; at < order.length; at++) {
    if (at % 1024 === 0) await breathe();
    for (const child of (order[at] as Container).children) order.push(child);
  }
  return order.reverse();
}

/** Steps 4 and 6: siblings by date. What stands empty has the date of its first child. */
async function settleTimes(
  roots: readonly Container[],
  of: 'first' | 'latest',
  breathe: Breathe,
): Promise<void> {
  for (const one of await bottomUp(roots, breathe)) {
    await breathe();
    if (one.children.length > 1) one.children = await sortInSlices(one.children, bySentDate, breathe);
    const first = one.children[0];
    if (one.message !== undefined) {
      one.time = one.message.time;
      one.number = one.message.number;
    } else if (first !== undefined) {
      one.time = first.time;
      one.number = first.number;
    }
  }
  if (of === 'first') return;
  // DOVECOT: REFS orders whole threads by the last message in them; within a thread the date decides.
  const latest = new Map<Container, number>();
  for (const one of await bottomUp(roots, breathe)) {
    let time = one.message?.time ?? Number.NEGATIVE_INFINITY;
    for (const child of one.children) time = Math.max(time, latest.get(child) ?? time);
    latest.set(one, time);
  }
  for (const root of roots) root.time = latest.get(root) ?? root.time;
}

/** Step 5: roots of one base subject become one thread. */
async function joinBySubject(roots: readonly Container[], breathe: Breathe): Promise<Container[]> {
  const bySubject = new Map<string, Container>();
  for (const root of roots) {
    await breathe();
    const head = headOf(root);
    if (head === undefined || head.subject === '') continue;
    const known = bySubject.get(head.subject);
    const isBetter =
      known === undefined ||
      (root.message === undefined && known.message !== undefined) ||
      (known.message !== undefined && known.message.isReply && root.message?.isReply === false);
    if (isBetter) bySubject.set(head.subject, root);
  }
  const gone = new Set<Container>();
  const replaced = new Map<Container, Container>();
  for (const root of roots) {
    await breathe();
    const head = headOf(root);
    const first = head === undefined || head.subject === '' ? undefined : bySubject.get(head.subject);
    if (first === undefined) continue;
    const target = replaced.get(first) ?? first;
    if (target === root || first === root) continue;
    gone.add(root);
    if (target.message === undefined) {
      target.children.push(...(root.message === undefined ? root.children : [root]));
    } else if (root.message?.isReply === true && !target.message.isReply) {
      target.children.push(root);
    } else {
      // Neither answers the other: both below a message that is not here.
      const dummy = container();
      dummy.children = [target, root];
      replaced.set(first, dummy);
    }
  }
  return roots.filter((root) => !gone.has(root)).map((root) => replaced.get(root) ?? root);
}

/** The message whose subject a root goes by. */
function headOf(root: Container): ThreadedMessage | undefined {
  return root.message ?? root.children[0]?.message;
}

async function toNodes(roots: readonly Container[], breathe: Breathe): Promise<ThreadNode[]> {
  const made = new Map<Container, ThreadNode>();
  for (const one of await bottomUp(roots, breathe)) {
    await breathe();
    const children = one.children.map((child) => made.get(child) as ThreadNode);
    made.set(one, { number: one.message?.number, children });
  }
  return roots.map((root) => made.get(root) as ThreadNode);
}
