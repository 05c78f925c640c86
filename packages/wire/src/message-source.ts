// A message's octets on their way from one component to another.

/**
 * Where octets of one message are written. `write` may be called without awaiting the last one; awaiting it
 * gives backpressure; the chunk is its owner's again when `write` has returned. `commit` settles only when the message is durable. After `commit` or `abort` nothing
 * else may be called. Whoever opened a writer ends it with one of the two; `abort` never throws.
 */
export interface MessageWriter<Committed> {
  write(chunk: Uint8Array): Promise<void> | undefined;
  commit(): Promise<Committed>;
  abort(): Promise<void>;
}
