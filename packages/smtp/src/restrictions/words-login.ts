// Words about who owns a sender address (`smtpd_sender_login_maps`) and whether an address of ours exists.
// POSTFIX: reject_auth_sender_login_mismatch and its kin, check_rcpt_maps.

import type { Path } from '../address.ts';
import { reply } from '../reply.ts';
import { type LookupAnswer, findFirst, mailboxOwnerKeys } from './access-lookup.ts';
import { unlistedReply } from './unlisted.ts';
import { whenReady } from './look-up-once.ts';
import type { RestrictionInput, RestrictionWord, WordVerdict } from './types.ts';

const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });
const reject = (saw: string, text: string): WordVerdict => ({
  kind: 'reject',
  saw,
  reply: reply(553, '7.1', text),
});

/** Whom the sender address belongs to. */
function owners(input: RestrictionInput): LookupAnswer | Promise<LookupAnswer> {
  const { sender, settings, addresses } = input;
  const table = settings.senderLoginMaps;
  const mailbox = sender?.mailbox;
  if (table === undefined || mailbox === undefined) return { kind: 'missing' };
  const isLocal = addresses.classify(mailbox) === 'local';
  return findFirst(table, mailboxOwnerKeys(mailbox, { ...settings, isLocal }));
}

type Judge = (input: RestrictionInput, sender: Path) => WordVerdict | Promise<WordVerdict>;

const unavailable = (sender: Path, reason: string): WordVerdict => ({
  kind: 'reject',
  saw: reason,
  reply: reply(451, '3.0', `<${sender.display}>: Temporary lookup failure`),
  warnings: [`smtpd_sender_login_maps lookup of ${sender.display}: ${reason}`],
});

/** Logged in, and not as an owner. */
const judgeAuthenticated =
  (unknownSender: 'allowed' | 'refused'): Judge =>
  (input, sender) => {
    const { login, settings } = input;
    if (settings.senderLoginMaps === undefined || login === undefined) return pass('not logged in');
    return whenReady(owners(input), (answer) => {
      if (answer.kind === 'failed') return unavailable(sender, answer.reason);
      if (answer.kind === 'missing' && unknownSender === 'allowed')
        return pass(`${sender.display} has no owner`);
      const names = answer.kind === 'found' ? answer.value.split(/[\s,]+/) : [];
      const user = login.user.toLowerCase();
      if (names.some((name) => name.toLowerCase() === user)) return pass(`${login.user} owns it`);
      return reject(
        `owned by ${names.join(' ') || 'nobody'}`,
        `<${sender.display}>: Sender address rejected: not owned by user ${login.user}`,
      );
    });
  };

/** Not logged in, and the address has an owner. */
const judgeStranger: Judge = (input, sender) => {
  if (input.settings.senderLoginMaps === undefined || input.login !== undefined)
    return pass('logged in, or nobody owns anything');
  return whenReady(owners(input), (answer) => {
    if (answer.kind === 'failed') return unavailable(sender, answer.reason);
    if (answer.kind === 'missing') return pass(`${sender.display} has no owner`);
    return reject('has an owner', `<${sender.display}>: Sender address rejected: not logged in`);
  });
};

function loginWord(word: string, ...judges: readonly Judge[]): RestrictionWord {
  return {
    word,
    cost: 'free',
    needs: 'sender',
    argument: 'none',
    async run(input) {
      const { sender, settings } = input;
      if (sender?.mailbox === undefined) return pass('null sender');
      if (!settings.saslAuthEnable) {
        return { ...pass('no logins'), warnings: [`restriction \`${word}' ignored: no SASL support`] };
      }
      for (const judge of judges) {
        const verdict = await judge(input, sender);
        if (verdict.kind !== 'pass') return verdict;
      }
      return pass('sender and login agree');
    },
  };
}

function unlistedWord(role: 'sender' | 'recipient'): RestrictionWord {
  return {
    word: `reject_unlisted_${role}`,
    cost: 'free',
    needs: role,
    argument: 'none',
    async run(input) {
      const path = input[role];
      if (path?.mailbox === undefined) return pass('null address');
      const verdict = await input.addresses.verify(path.mailbox);
      const refused = unlistedReply(verdict, { display: path.display, role }, input.settings.codes);
      if (refused === undefined) return pass(`${path.display} is known, or not ours`);
      if (verdict.kind !== 'unavailable') return { kind: 'reject', saw: 'in no table', reply: refused };
      const warning = `${role} lookup of ${path.display}: ${verdict.reason}`;
      return { kind: 'reject', saw: verdict.reason, reply: refused, warnings: [warning] };
    },
  };
}

export const LOGIN_WORDS: readonly RestrictionWord[] = [
  loginWord('reject_authenticated_sender_login_mismatch', judgeAuthenticated('refused')),
  loginWord('reject_known_sender_login_mismatch', judgeAuthenticated('allowed')),
  loginWord('reject_unauthenticated_sender_login_mismatch', judgeStranger),
  loginWord('reject_sender_login_mismatch', judgeAuthenticated('refused'), judgeStranger),
  unlistedWord('sender'),
  unlistedWord('recipient'),
];
