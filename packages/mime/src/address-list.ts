// Reads address lists (RFC 5322 §3.4 with the obsolete syntax of §4.4) as IMAP's ENVELOPE shows them, and
// broken ones the way Dovecot does: something is shown for everything that stands between commas.
//
// Iterative and linear; groups do not nest. Nothing throws.

import { CODES, HeaderLexer } from './header-lexer.ts';
import { tidyText } from './header.ts';
import type { EnvelopeAddress } from './structure.ts';

/** Addresses kept of one field: a header full of commas must not become half a million objects. */
export const MAX_ADDRESSES = 10_000;

// DOVECOT: these stand where an address has no mailbox or no domain, or could not be read.
const MISSING_MAILBOX = 'MISSING_MAILBOX';
const MISSING_DOMAIN = 'MISSING_DOMAIN';
const SYNTAX_ERROR = 'SYNTAX_ERROR';
const INVALID_ROUTE = 'INVALID_ROUTE';

interface Draft {
  name: string | null;
  route: string | null;
  mailbox: string | null;
  host: string | null;
}

/** What stands after an address: nothing, something well-formed so far, or rubbish. */
type Progress = 'end' | 'more' | 'broken';

class AddressReader {
  readonly lexer: HeaderLexer;
  readonly addresses: EnvelopeAddress[] = [];
  #draft: Draft = { name: null, route: null, mailbox: null, host: null };

  constructor(text: string) {
    this.lexer = new HeaderLexer(text);
  }

  /** `address-list = address *("," address)` */
  readList(): void {
    const { lexer } = this;
    lexer.skipCfws();
    while (!lexer.done && this.addresses.length < MAX_ADDRESSES) {
      if (this.#readAddress() === 'end') return;
      if (!lexer.accept(CODES.comma)) return;
      if (!lexer.skipCfws()) {
        this.#add();
        return;
      }
    }
  }

  #readAddress(): Progress {
    const start = this.lexer.at;
    const name = this.#words();
    if (name !== undefined && this.lexer.next === CODES.colon) return this.#readGroup(name);
    return this.#readMailbox(start, name);
  }

  /** `phrase`, or undefined when the input ends with it or it is broken. */
  #words(): string | undefined {
    const { lexer } = this;
    lexer.broken = false;
    const words = lexer.phrase();
    return lexer.done || lexer.broken ? undefined : words;
  }

  /** `group = display-name ":" [mailbox-list] ";"`; the cursor stands at the colon. */
  #readGroup(name: string): Progress {
    const { lexer } = this;
    lexer.at++;
    let intact = lexer.skipCfws();
    this.addresses.push({ name: null, route: null, mailbox: name, host: null });
    if (intact && !lexer.done && lexer.next !== CODES.semicolon) {
      while (this.addresses.length < MAX_ADDRESSES) {
        const start = lexer.at;
        this.#readMailbox(start, this.#words());
        if (!lexer.accept(CODES.comma)) break;
        intact = lexer.skipCfws();
        if (!intact || lexer.done) break;
      }
    }
    if (lexer.accept(CODES.semicolon)) lexer.skipCfws();
    this.addresses.push({ name: null, route: null, mailbox: null, host: null });
    return lexer.done ? 'end' : 'more';
  }

  /** `mailbox = name-addr / addr-spec`; `name` is the phrase that was read from `start`. */
  #readMailbox(start: number, name: string | undefined): Progress {
    const { lexer } = this;
    let progress: Progress;
    if (name !== undefined && lexer.next === CODES.less) {
      this.#draft.name = name === '' ? null : name;
      if (!this.#readAngleAddress()) this.#draft.host = SYNTAX_ERROR;
      progress = lexer.done ? 'end' : 'more';
    } else {
      lexer.at = start;
      progress = this.#readAddrSpec();
    }
    this.#add();
    return progress;
  }

  /** `"<" [route ":"] addr-spec ">"`; false when it is not one. */
  #readAngleAddress(): boolean {
    const { lexer } = this;
    lexer.broken = false;
    lexer.at++;
    lexer.skipCfws();
    if (lexer.next === CODES.at) {
      const route = this.#readRoute();
      if (route !== undefined && lexer.accept(CODES.colon)) this.#draft.route = route;
      else this.#draft.route = INVALID_ROUTE;
      if (lexer.done) return false;
      lexer.skipCfws();
    }
    if (lexer.next !== CODES.greater) {
      if (this.#readLocalPart() === undefined || this.#draft.mailbox === null || lexer.done) return false;
      if (lexer.next === CODES.at) {
        const host = lexer.domain();
        if (host === undefined) return false;
        this.#draft.host = host;
      }
    }
    if (!lexer.accept(CODES.greater)) return false;
    lexer.skipCfws();
    return true;
  }

  /** RFC 5322 §4.4 obs-domain-list: `"@" domain *("," ["@" domain])`. */
  #readRoute(): string | undefined {
    const { lexer } = this;
    let route = '';
    while (lexer.next === CODES.at) {
      const host = lexer.domain();
      if (host === undefined) return undefined;
      route += route === '' ? `@${host}` : `,@${host}`;
      lexer.skipCfws();
      while (lexer.accept(CODES.comma)) lexer.skipCfws();
    }
    return route;
  }

  /**
   * A quoted string, or atoms with dots even at odd places, into the draft; undefined when missing or broken.
   * DOVECOT: what ends with a dot is a local part only before an `@` or at the very end, else a word.
   */
  #readLocalPart(): string | undefined {
    const { lexer } = this;
    let value = '';
    if (lexer.next === CODES.quote) {
      value = lexer.quotedString();
      if (lexer.broken) return undefined;
    } else {
      do {
        const word = lexer.dottedWord();
        if (word === undefined || lexer.broken) return undefined;
        value += word;
      } while (lexer.next === CODES.dot);
    }
    const dangling = value.endsWith('.') && !lexer.done && lexer.next !== CODES.at;
    if (!dangling) this.#draft.mailbox = value;
    return value;
  }

  /** `addr-spec`, with the display name in a comment after it (RFC 822 custom). */
  #readAddrSpec(): Progress {
    const { lexer } = this;
    const quoted = lexer.next === CODES.quote;
    lexer.broken = false;
    lexer.lastComment = '';
    const start = lexer.at;
    const words = this.#readLocalPart() ?? lexer.text.slice(start, lexer.at).trimEnd();
    let intact = this.#draft.mailbox !== null;
    const hasDomain = lexer.next === CODES.at;
    if (hasDomain) {
      const host = lexer.domain();
      if (host === undefined) intact = false;
      else this.#draft.host = host;
    }
    const comment = lexer.lastComment;
    // One word is a mailbox; more of them, or a quoted one, are a display name without an address.
    const more = hasDomain || (intact && comment !== '') ? '' : lexer.phrase();
    if (more !== '') this.#draft.name = `${words} ${more}`;
    else if (comment !== '') this.#draft.name = comment;
    else if (!hasDomain && quoted && intact) this.#draft.name = words;
    const wordsWereName = more !== '' || (comment === '' && this.#draft.name !== null);
    if (!hasDomain && wordsWereName) this.#draft.mailbox = null;
    if (!hasDomain && comment === '') intact = false;
    if (!intact) return 'broken';
    return lexer.done ? 'end' : 'more';
  }

  #add(): void {
    const { name, route, mailbox, host } = this.#draft;
    this.addresses.push({
      // DOVECOT: white space in a display name is shown as one space.
      name: name === null ? null : tidyText(name),
      route,
      mailbox: mailbox ?? MISSING_MAILBOX,
      host: host === null || host === '' ? MISSING_DOMAIN : host,
    });
    this.#draft = { name: null, route: null, mailbox: null, host: null };
  }
}

/** Reads an address list from an unfolded binary string. Empty input gives an empty list. */
export function parseAddressList(text: string): EnvelopeAddress[] {
  const reader = new AddressReader(text);
  reader.readList();
  return reader.addresses;
}
