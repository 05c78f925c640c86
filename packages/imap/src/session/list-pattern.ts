// LIST patterns: `*` matches anything, `%` anything without a separator (RFC 3501 §6.3.8).
//
// A pattern is a set of positions walked along the name, so no pattern takes more than its length times the name's.

export class ListPattern {
  readonly #pattern: string;
  readonly #literals: number;
  readonly #separator: string;

  constructor(pattern: string, separator = '/') {
    this.#separator = separator;
    // Runs of wildcards with a star in them are a star; runs of percents are one.
    const collapsed = pattern.replaceAll(/[*%]{2,}/g, (run) => (run.includes('*') ? '*' : '%'));
    const isInbox = /^inbox/i.test(collapsed) && [undefined, '/', separator].includes(collapsed[5]);
    this.#pattern = isInbox ? `INBOX${collapsed.slice(5)}` : collapsed;
    this.#literals = this.#pattern.replaceAll(/[*%]/g, '').length;
  }

  matches(name: string): boolean {
    const pattern = this.#pattern;
    if (this.#literals > name.length) return false;
    let states = this.#closure(new Set([0]));
    for (const char of name) {
      const next = new Set<number>();
      for (const at of states) {
        const wanted = pattern[at];
        if (wanted === '*' || (wanted === '%' && char !== this.#separator)) next.add(at);
        else if (wanted === char && wanted !== '%') next.add(at + 1);
      }
      if (next.size === 0) return false;
      states = this.#closure(next);
    }
    return states.has(pattern.length);
  }

  /** A wildcard may match nothing. */
  #closure(states: Set<number>): Set<number> {
    for (const at of states) {
      const char = this.#pattern[at];
      if (char === '*' || char === '%') states.add(at + 1);
    }
    return states;
  }
}
