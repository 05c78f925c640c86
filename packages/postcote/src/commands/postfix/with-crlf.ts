// Line ends for the wire.

import { Transform } from 'node:stream';

/** Programs end their lines as files do; the server wants CRLF. */
export function withCrlf(): Transform {
  let afterCr = false;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const text = chunk.toString('latin1');
      const first = afterCr && text.startsWith('\n') ? 1 : 0;
      afterCr = text.endsWith('\r');
      const rest = text.slice(first).replace(/\r?\n/g, '\r\n');
      done(null, Buffer.from(text.slice(0, first) + rest, 'latin1'));
    },
  });
}
