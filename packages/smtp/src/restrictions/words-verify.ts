// reject_unverified_sender, reject_unverified_recipient: whether mail to an address would be delivered, found out by a
// probe (ADDRESS_VERIFICATION_README). POSTFIX: smtpd_check.c: reject_unverified_address, with its codes and texts.

import type { Path } from '../address.ts';
import type { UnverifiedRules } from '../access-settings.ts';
import { formatMailbox } from '../address.ts';
import type { Verification } from '../ports.ts';
import { printable, reply } from '../reply.ts';
import type { RestrictionInput, RestrictionWord, WordVerdict } from './types.ts';

const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });

/** Octets of a reason, as Postfix cuts it. */
const MAX_REASON = 250;

interface Who {
  readonly path: Path;
  readonly label: string;
  readonly detail: string;
  readonly rules: UnverifiedRules;
}

async function verify(input: RestrictionInput, { path, label, detail, rules }: Who): Promise<WordVerdict> {
  const shown = `<${path.display}>: ${label} rejected`;
  const soft = (code: number, text: string, saw: string): WordVerdict => {
    const kind = rules.tempfail === 'defer' ? 'reject' : 'deferIfPermit';
    return { kind, saw, reply: reply(code, detail, text) };
  };
  if (path.mailbox === undefined) return pass('nothing to verify');
  const address = formatMailbox({
    local: path.mailbox.local,
    domain: path.mailbox.domain ?? input.settings.myorigin,
  });
  const found = await poll(input, address);
  if (found === undefined) {
    const text = `${shown}: address verification problem`;
    return { ...soft(450, text, 'no answer'), warnings: ['verify service failure'] };
  }
  if (found.kind === 'deliverable') return pass(`${address} is deliverable`);
  const code = found.kind === 'undeliverable' ? rules.rejectCode : rules.deferCode;
  const reason = printable(code >= 400 && rules.reason !== '' ? rules.reason : found.text);
  // POSTFIX: a code of 2xx means that this outcome is no reason.
  if (code < 400) return pass(`${address}: ${reason}`);
  if (code < 500) return soft(code, `${shown}: unverified address: ${reason.slice(0, MAX_REASON)}`, reason);
  return {
    kind: 'reject',
    saw: reason,
    reply: reply(code, detail, `${shown}: undeliverable address: ${reason}`.slice(0, 480)),
  };
}

/** Asks again while the probe is under way, a few times. */
async function poll(input: RestrictionInput, address: string): Promise<Verification | undefined> {
  const { verifyPollCount, verifyPollDelay } = input.settings;
  for (let count = 1; ; count++) {
    const found = await input.verifier?.query(address).catch(() => undefined);
    if (found === undefined || found.kind !== 'pending' || count >= verifyPollCount) return found;
    // An answer that comes early is not waited past.
    await Promise.race([found.settled, input.clock?.sleep?.(verifyPollDelay)]);
  }
}

const unverifiedSender: RestrictionWord = {
  word: 'reject_unverified_sender',
  cost: 'dns',
  needs: 'sender',
  argument: 'none',
  run: (input) =>
    input.sender?.mailbox === undefined
      ? pass('null sender')
      : verify(input, {
          path: input.sender,
          label: 'Sender address',
          detail: '1.7',
          rules: input.settings.unverifiedSender,
        }),
};

const unverifiedRecipient: RestrictionWord = {
  word: 'reject_unverified_recipient',
  cost: 'dns',
  needs: 'recipient',
  argument: 'none',
  run: (input) =>
    input.recipient?.mailbox === undefined
      ? pass('no recipient')
      : verify(input, {
          path: input.recipient,
          label: 'Recipient address',
          detail: '1.1',
          rules: input.settings.unverifiedRecipient,
        }),
};

export const VERIFY_WORDS: readonly RestrictionWord[] = [unverifiedSender, unverifiedRecipient];
