// The line that says how a message came in from a program of this machine. POSTFIX: pickup(8).
//
//   Received: by HOST (Postfix, from userid UID)
//   <TAB>id QUEUEID; DATE

import { formatMailDate } from '@postcote/smtp';

export interface LocalHeaderFacts {
  readonly queueId: string;
  readonly myhostname: string;
  readonly mailName: string;
  readonly uid: number;
  readonly date: Date;
}

export function formatLocalReceived({ myhostname, mailName, uid, queueId, date }: LocalHeaderFacts): string {
  return (
    `Received: by ${myhostname} (${mailName}, from userid ${uid})\r\n` +
    `\tid ${queueId}; ${formatMailDate(date)}\r\n`
  );
}
