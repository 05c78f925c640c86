// Arguments of a command after tokenising, before anyone knows what they mean.

export type Arg =
  | { readonly kind: 'atom'; readonly text: string }
  | { readonly kind: 'string'; readonly bytes: Buffer; readonly form: 'quoted' | 'literal' }
  | { readonly kind: 'list'; readonly items: readonly Arg[] };

/** Walks a list of arguments. Every `take` answers undefined, and stays, when the next one is of another kind. */
export class ArgCursor {
  readonly #args: readonly Arg[];
  #at = 0;

  constructor(args: readonly Arg[]) {
    this.#args = args;
  }

  get atEnd(): boolean {
    return this.#at >= this.#args.length;
  }

  peek(): Arg | undefined {
    return this.#args[this.#at];
  }

  take(): Arg | undefined {
    const arg = this.#args[this.#at];
    if (arg !== undefined) this.#at += 1;
    return arg;
  }

  atom(): string | undefined {
    const arg = this.peek();
    if (arg?.kind !== 'atom') return undefined;
    this.#at += 1;
    return arg.text;
  }

  /** The next atom in upper case. */
  word(): string | undefined {
    return this.atom()?.toUpperCase();
  }

  list(): readonly Arg[] | undefined {
    const arg = this.peek();
    if (arg?.kind !== 'list') return undefined;
    this.#at += 1;
    return arg.items;
  }

  /** RFC 3501 `astring`: an atom or a string, as octets. */
  astring(): Buffer | undefined {
    const bytes = argBytes(this.peek());
    if (bytes !== undefined) this.#at += 1;
    return bytes;
  }
}

/** The octets of an atom or string; undefined for a list or nothing. */
export function argBytes(arg: Arg | undefined): Buffer | undefined {
  if (arg?.kind === 'atom') return Buffer.from(arg.text, 'latin1');
  return arg?.kind === 'string' ? arg.bytes : undefined;
}

/** The text of an atom or string, octet for octet. */
export function argText(arg: Arg | undefined): string | undefined {
  if (arg?.kind === 'atom') return arg.text;
  return arg?.kind === 'string' ? arg.bytes.toString('latin1') : undefined;
}
