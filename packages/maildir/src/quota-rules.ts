// What a quota allows in which mailbox, and whether something fits. Pure. Limits are octets and messages; 0: none.
// DOVECOT: the rule for `*` is the default; a mailbox's own replaces it, is a part of it or adds to it.

export interface QuotaAmount {
  readonly value: number;
  readonly kind: 'absolute' | 'percent' | 'more' | 'morePercent';
}

export interface QuotaRule {
  readonly mailbox: string;
  readonly ignore: boolean;
  readonly storage?: QuotaAmount;
  readonly messages?: QuotaAmount;
}

export interface QuotaSum {
  readonly octets: number;
  readonly messages: number;
}

export interface QuotaLimits extends QuotaSum {
  /** Nothing there counts. */
  readonly ignored: boolean;
}

/** `name`: the mailbox as rules call it; '*' for the root as a whole. */
export function limitsFor(rules: readonly QuotaRule[], name: string): QuotaLimits {
  const standard = rules.find((rule) => rule.mailbox === '*');
  const whole = {
    octets: amountOf(standard?.storage, 0),
    messages: amountOf(standard?.messages, 0),
    ignored: standard?.ignore === true,
  };
  const own =
    name === '*' ? undefined : rules.find((rule) => rule.mailbox !== '*' && matches(rule.mailbox, name));
  if (own === undefined) return whole;
  return {
    // An addition to no limit is no limit.
    octets: own.storage === undefined ? whole.octets : amountOf(own.storage, whole.octets),
    messages: own.messages === undefined ? whole.messages : amountOf(own.messages, whole.messages),
    ignored: own.ignore,
  };
}

function amountOf(amount: QuotaAmount | undefined, standard: number): number {
  if (amount === undefined) return 0;
  const part = Math.floor((standard * amount.value) / 100);
  switch (amount.kind) {
    case 'absolute':
      return Math.max(0, amount.value);
    case 'percent':
      return part;
    case 'more':
      return standard === 0 ? 0 : Math.max(1, standard + amount.value);
    case 'morePercent':
      return standard === 0 ? 0 : Math.max(1, standard + part);
  }
}

export function graceOf(grace: QuotaAmount, limit: number): number {
  return grace.kind === 'absolute' || grace.kind === 'more'
    ? grace.value
    : Math.floor((limit * grace.value) / 100);
}

/**
 * Whether `more` fits beside `used`. DOVECOT: who is below his limit may go beyond it by the grace once, with the message
 * that does.
 */
export function fits(used: QuotaSum, more: QuotaSum, limits: QuotaLimits, grace: QuotaAmount): boolean {
  if (limits.messages > 0 && used.messages + more.messages > limits.messages) return false;
  if (limits.octets === 0 || used.octets + more.octets <= limits.octets) return true;
  return (
    used.octets < limits.octets && used.octets + more.octets <= limits.octets + graceOf(grace, limits.octets)
  );
}

export function isOver(used: QuotaSum, limits: QuotaSum): boolean {
  return (
    (limits.octets > 0 && used.octets > limits.octets) ||
    (limits.messages > 0 && used.messages > limits.messages)
  );
}

/** `*` any characters, `?` one; by two pointers, so that no pattern takes for ever. Case counts. */
function matches(pattern: string, name: string): boolean {
  let at = 0;
  let of = 0;
  let star = -1;
  let resume = 0;
  while (at < name.length) {
    const symbol = pattern[of];
    if (symbol === '*') {
      star = of++;
      resume = at;
    } else if (symbol !== undefined && (symbol === '?' || symbol === name[at])) {
      of++;
      at++;
    } else if (star !== -1) {
      of = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[of] === '*') of++;
  return of === pattern.length;
}
