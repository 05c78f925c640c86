// What the real Postfix says, does and logs in the rows of `milter-rows.ts` in which ours differs on purpose, and what
// ours does. Lines that both have are left out.

export interface MilterDifference {
  /** Of docs/differences.md. */
  readonly sentence: string;
  readonly theirs: readonly string[];
  readonly ours: readonly string[];
}

/** By the row's name. */
export const MILTER_DIFFERENCES: ReadonlyMap<string, MilterDifference> = new Map([
  [
    'eoh: shutdown',
    {
      sentence: 'A filter that ends the session at the end of a message refuses it',
      theirs: [
        'said message → 250 2.0.0 Ok: queued as ID',
        'said MAIL FROM:<> → 250 2.1.0 Ok',
        'said RCPT TO:<@alice@@example.com> → 250 2.1.5 Ok',
        'said DATA → 354 End data with <CR><LF>.<CR><LF>',
        'said message → 250 2.0.0 Ok: queued as ID',
        'said QUIT → 221 2.0.0 Bye',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: message content rejected; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: message content rejected; from=<> to=<alice@example.com> proto=ESMTP helo=<client.example>',
      ],
      ours: [
        'said message → 421 4.7.0 Service unavailable',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 4.7.0 Service unavailable; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
      ],
    },
  ],
  [
    'body: shutdown',
    {
      sentence: 'A filter that ends the session at the end of a message refuses it',
      theirs: [
        'said message → 250 2.0.0 Ok: queued as ID',
        'said MAIL FROM:<> → 250 2.1.0 Ok',
        'said RCPT TO:<@alice@@example.com> → 250 2.1.5 Ok',
        'said DATA → 354 End data with <CR><LF>.<CR><LF>',
        'said message → 250 2.0.0 Ok: queued as ID',
        'said QUIT → 221 2.0.0 Bye',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: message content rejected; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: message content rejected; from=<> to=<alice@example.com> proto=ESMTP helo=<client.example>',
      ],
      ours: [
        'said message → 421 4.7.0 Service unavailable',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 4.7.0 Service unavailable; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
      ],
    },
  ],
  [
    'header: shutdown',
    {
      sentence: 'A filter that ends the session at the end of a message refuses it',
      theirs: [
        'said message → 250 2.0.0 Ok: queued as ID',
        'said MAIL FROM:<> → 250 2.1.0 Ok',
        'said RCPT TO:<@alice@@example.com> → 250 2.1.5 Ok',
        'said DATA → 354 End data with <CR><LF>.<CR><LF>',
        'said message → 250 2.0.0 Ok: queued as ID',
        'said QUIT → 221 2.0.0 Bye',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: message content rejected; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: message content rejected; from=<> to=<alice@example.com> proto=ESMTP helo=<client.example>',
      ],
      ours: [
        'said message → 421 4.7.0 Service unavailable',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 4.7.0 Service unavailable; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
      ],
    },
  ],
  [
    'eom: shutdown',
    {
      sentence: 'A filter that ends the session at the end of a message refuses it',
      theirs: [
        'said message → 250 2.0.0 Ok: queued as ID',
        'said MAIL FROM:<> → 250 2.1.0 Ok',
        'said RCPT TO:<@alice@@example.com> → 250 2.1.5 Ok',
        'said DATA → 354 End data with <CR><LF>.<CR><LF>',
        'said message → 250 2.0.0 Ok: queued as ID',
        'said QUIT → 221 2.0.0 Bye',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: message content rejected; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: message content rejected; from=<> to=<alice@example.com> proto=ESMTP helo=<client.example>',
      ],
      ours: [
        'said message → 421 4.7.0 Service unavailable',
        'milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 4.7.0 Service unavailable; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
      ],
    },
  ],
  [
    'connect: dies, 127.0.0.7',
    {
      sentence: '`shutdown` is known as a default action',
      theirs: [
        'said  → 220 lollipop.example.com ESMTP Postfix (Debian/GNU)',
        'said EHLO client.example → 250-lollipop.example.com | 250-PIPELINING | 250-SIZE 10240000 | 250-VRFY | 250-ETRN | 250-STARTTLS | 250-AUTH PLAIN LOGIN | 250-AUTH=PLAIN LOGIN | 250-ENHANCEDSTATUSCODES | 250-8BITMIME | 250-DSN | 250-SMTPUTF8 | 250 CHUNKING',
        'said XYZZY now → 451 4.3.5 Server configuration problem - try again later',
        'said MAIL FROM:<x@sender.example> SIZE=100 → 451 4.3.5 Server configuration problem - try again later',
        'said RCPT TO:<@alice@@example.com> NOTIFY=NEVER → 503 5.5.1 Error: need MAIL command',
        'said RCPT TO:<@bob@@example.com> → 503 5.5.1 Error: need MAIL command',
        'said RCPT TO:<nobody-here@example.com> → 503 5.5.1 Error: need MAIL command',
        'said DATA → 503 5.5.1 Error: need RCPT command',
        'said MAIL FROM:<> → 451 4.3.5 Server configuration problem - try again later',
        'said RCPT TO:<@alice@@example.com> → 503 5.5.1 Error: need MAIL command',
        'said DATA → 503 5.5.1 Error: need RCPT command',
        'said QUIT → 221 2.0.0 Bye',
        'milter-reject: CONNECT from unknown[127.0.0.7]: 451 4.3.5 Server configuration problem - try again later; proto=SMTP',
        'milter-reject: EHLO from unknown[127.0.0.7]: 451 4.3.5 Server configuration problem - try again later; proto=SMTP helo=<client.example>',
        'milter-reject: UNKNOWN from unknown[127.0.0.7]: 451 4.3.5 Server configuration problem - try again later; proto=ESMTP helo=<client.example>',
        'milter-reject: MAIL from unknown[127.0.0.7]: 451 4.3.5 Server configuration problem - try again later; from=<x@sender.example> proto=ESMTP helo=<client.example>',
        'milter-reject: MAIL from unknown[127.0.0.7]: 451 4.3.5 Server configuration problem - try again later; from=<> proto=ESMTP helo=<client.example>',
      ],
      ours: [
        'said  → 421 lollipop.example.com Service unavailable - try again later',
        'milter-reject: CONNECT from unknown[127.0.0.7]: 421 4.7.1 Service unavailable - try again later; proto=SMTP',
      ],
    },
  ],
  [
    'mail: dies, 127.0.0.7',
    {
      sentence: '`shutdown` is known as a default action',
      theirs: [
        'said MAIL FROM:<x@sender.example> SIZE=100 → 451 4.3.5 Server configuration problem - try again later',
        'said RCPT TO:<@alice@@example.com> NOTIFY=NEVER → 503 5.5.1 Error: need MAIL command',
        'said RCPT TO:<@bob@@example.com> → 503 5.5.1 Error: need MAIL command',
        'said RCPT TO:<nobody-here@example.com> → 503 5.5.1 Error: need MAIL command',
        'said DATA → 503 5.5.1 Error: need RCPT command',
        'said MAIL FROM:<> → 451 4.3.5 Server configuration problem - try again later',
        'said RCPT TO:<@alice@@example.com> → 503 5.5.1 Error: need MAIL command',
        'said DATA → 503 5.5.1 Error: need RCPT command',
        'said QUIT → 221 2.0.0 Bye',
        'milter-reject: MAIL from unknown[127.0.0.7]: 451 4.3.5 Server configuration problem - try again later; from=<x@sender.example> proto=ESMTP helo=<client.example>',
        'milter-reject: MAIL from unknown[127.0.0.7]: 451 4.3.5 Server configuration problem - try again later; from=<> proto=ESMTP helo=<client.example>',
      ],
      ours: [
        'said MAIL FROM:<x@sender.example> SIZE=100 → 421 4.7.1 Service unavailable - try again later',
        'milter-reject: MAIL from unknown[127.0.0.7]: 421 4.7.1 Service unavailable - try again later; from=<x@sender.example> proto=ESMTP helo=<client.example>',
      ],
    },
  ],
  [
    'eom: dies, 127.0.0.7',
    {
      sentence: '`shutdown` is known as a default action',
      theirs: [
        'said message → 451 4.3.5 Server configuration problem - try again later',
        'said MAIL FROM:<> → 451 4.3.5 Server configuration problem - try again later',
        'said RCPT TO:<@alice@@example.com> → 503 5.5.1 Error: need MAIL command',
        'said DATA → 503 5.5.1 Error: need RCPT command',
        'said QUIT → 221 2.0.0 Bye',
        'milter-reject: END-OF-MESSAGE from unknown[127.0.0.7]: 4.3.5 Server configuration problem - try again later; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
        'milter-reject: MAIL from unknown[127.0.0.7]: 451 4.3.5 Server configuration problem - try again later; from=<> proto=ESMTP helo=<client.example>',
      ],
      ours: [
        'said message → 421 4.7.1 Service unavailable - try again later',
        'milter-reject: END-OF-MESSAGE from unknown[127.0.0.7]: 4.7.1 Service unavailable - try again later; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
      ],
    },
  ],
  [
    'a filter that is not there, shutdown',
    {
      sentence: '`shutdown` is known as a default action',
      theirs: [
        'said  → 220 lollipop.example.com ESMTP Postfix (Debian/GNU)',
        'said EHLO client.example → 250-lollipop.example.com | 250-PIPELINING | 250-SIZE 10240000 | 250-VRFY | 250-ETRN | 250-STARTTLS | 250-AUTH PLAIN LOGIN | 250-AUTH=PLAIN LOGIN | 250-ENHANCEDSTATUSCODES | 250-8BITMIME | 250-DSN | 250-SMTPUTF8 | 250 CHUNKING',
        'said XYZZY now → 451 4.3.5 Server configuration problem - try again later',
        'said MAIL FROM:<x@sender.example> SIZE=100 → 451 4.3.5 Server configuration problem - try again later',
        'said RCPT TO:<@alice@@example.com> NOTIFY=NEVER → 503 5.5.1 Error: need MAIL command',
        'said RCPT TO:<@bob@@example.com> → 503 5.5.1 Error: need MAIL command',
        'said RCPT TO:<nobody-here@example.com> → 503 5.5.1 Error: need MAIL command',
        'said DATA → 503 5.5.1 Error: need RCPT command',
        'said MAIL FROM:<> → 451 4.3.5 Server configuration problem - try again later',
        'said RCPT TO:<@alice@@example.com> → 503 5.5.1 Error: need MAIL command',
        'said DATA → 503 5.5.1 Error: need RCPT command',
        'said QUIT → 221 2.0.0 Bye',
        'milter-reject: CONNECT from unknown[127.0.0.16]: 451 4.3.5 Server configuration problem - try again later; proto=SMTP',
        'milter-reject: EHLO from unknown[127.0.0.16]: 451 4.3.5 Server configuration problem - try again later; proto=SMTP helo=<client.example>',
        'milter-reject: UNKNOWN from unknown[127.0.0.16]: 451 4.3.5 Server configuration problem - try again later; proto=ESMTP helo=<client.example>',
        'milter-reject: MAIL from unknown[127.0.0.16]: 451 4.3.5 Server configuration problem - try again later; from=<x@sender.example> proto=ESMTP helo=<client.example>',
        'milter-reject: MAIL from unknown[127.0.0.16]: 451 4.3.5 Server configuration problem - try again later; from=<> proto=ESMTP helo=<client.example>',
      ],
      ours: [
        'said  → 421 lollipop.example.com Service unavailable - try again later',
        'milter-reject: CONNECT from unknown[127.0.0.16]: 421 4.7.1 Service unavailable - try again later; proto=SMTP',
      ],
    },
  ],
  [
    'a filter that dies within a body',
    {
      sentence: 'dies within a body that it replaces',
      theirs: [
        'said message → 250 2.0.0 Ok: queued as ID',
        'said MAIL FROM:<> → 250 2.1.0 Ok',
        'said RCPT TO:<@alice@@example.com> → 250 2.1.5 Ok',
        'said DATA → 354 End data with <CR><LF>.<CR><LF>',
        'said message → 250 2.0.0 Ok: queued as ID',
        'said QUIT → 221 2.0.0 Bye',
        'delivered alice: Subject: second',
        'delivered alice: Subject:no space',
        'delivered bob: Subject:no space',
      ],
      ours: [
        'said message → 421 4.7.0 Service unavailable',
        'milter-reject: END-OF-MESSAGE from unknown[127.0.0.3]: 4.7.0 Service unavailable; from=<x@sender.example> to=<bob@example.com> proto=ESMTP helo=<client.example>',
      ],
    },
  ],
  [
    'add who is there',
    {
      sentence: 'A filter that adds a recipient who is there already adds nothing',
      theirs: ['delivered bob: Subject:no space'],
      ours: [],
    },
  ],
]);
