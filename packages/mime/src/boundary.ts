// Multipart boundaries that are open at one moment of parsing (RFC 2046 §5.1.1). The comparison is with the
// beginning of the line: what follows the boundary on its line is padding, except `--`, which ends the multipart.

const DASH = 0x2d;

/** RFC 2046 allows 70; DOVECOT: longer ones are compared by their first 80 octets. */
const MAX_BOUNDARY = 80;

/** Octets of a line that decide: dashes, boundary, closing dashes, and one to know that there are more. */
export const DECIDING_OCTETS = 2 + MAX_BOUNDARY + 2 + 1;

export interface Boundary<Owner> {
  readonly text: Buffer;
  readonly owner: Owner;
}

export interface BoundaryMatch<Owner> {
  readonly index: number;
  readonly owner: Owner;
  /** The line ends the multipart. */
  readonly closing: boolean;
}

export class BoundaryStack<Owner> {
  readonly #open: Boundary<Owner>[] = [];

  get size(): number {
    return this.#open.length;
  }

  push(text: string, owner: Owner): void {
    this.#open.push({ text: Buffer.from(text.slice(0, MAX_BOUNDARY), 'latin1'), owner });
  }

  /** Forgets the boundary at `index` and all that were opened inside it. */
  truncate(index: number): void {
    this.#open.length = index;
  }

  /**
   * The boundary that `line` (the first `DECIDING_OCTETS` of a line without its terminator) shows. Of several
   * that are prefixes of the line the longest counts, and an exact one before all, innermost first.
   */
  match(line: Uint8Array): BoundaryMatch<Owner> | undefined {
    if (line.length < 2 || line[0] !== DASH || line[1] !== DASH) return undefined;
    const rest = line.length - 2;
    const dashes = rest >= 2 && line[line.length - 1] === DASH && line[line.length - 2] === DASH;
    let best = -1;
    let bestLength = -1;
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const { text } = this.#open[i] as Boundary<Owner>;
      if (text.length > rest || text.length <= bestLength || !startsWith(line, text)) continue;
      best = i;
      bestLength = text.length;
      if (text.length === rest || (dashes && text.length === rest - 2)) break;
    }
    const found = this.#open[best];
    if (found === undefined) return undefined;
    const after = 2 + bestLength;
    return { index: best, owner: found.owner, closing: line[after] === DASH && line[after + 1] === DASH };
  }
}

function startsWith(line: Uint8Array, boundary: Buffer): boolean {
  for (let i = 0; i < boundary.length; i++) if (line[i + 2] !== boundary[i]) return false;
  return true;
}
