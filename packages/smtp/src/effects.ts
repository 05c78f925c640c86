// What restriction words want done with a message that is accepted: access(5)'s HOLD, DISCARD, REDIRECT, FILTER, BCC
// and PREPEND. Collected over one transaction; POSTFIX: they stay although the recipient that brought them is refused.

/** Addresses and fields that one transaction collects at most. */
const MAX_EFFECTS = 100;

export class Effects {
  hold = false;
  /** Nothing is checked any more, and nothing is delivered. */
  discard = false;
  /** A mail filter wants it thrown away: POSTFIX: what is still said of it is checked none the less. */
  discardByFilter = false;
  redirect: string | undefined;
  filter: string | undefined;
  readonly bcc: string[] = [];
  readonly prepend: string[] = [];
  /** Counts changes: what was told to the queue at DATA may have to be told again. */
  version = 0;

  setHold(): void {
    this.hold = true;
    this.version++;
  }

  setDiscard(): void {
    this.discard = true;
    this.version++;
  }

  setDiscardByFilter(): void {
    this.discardByFilter = true;
    this.version++;
  }

  setRedirect(address: string): void {
    this.redirect = address;
    this.version++;
  }

  setFilter(destination: string): void {
    this.filter = destination;
    this.version++;
  }

  addBcc(address: string): void {
    if (this.bcc.length >= MAX_EFFECTS || this.bcc.includes(address)) return;
    this.bcc.push(address);
    this.version++;
  }

  addHeader(field: string): void {
    if (this.prepend.length < MAX_EFFECTS) this.prepend.push(field);
  }
}
