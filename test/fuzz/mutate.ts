// Makes inputs out of inputs, the same ones for the same seed: octets changed, cut, doubled, repeated very often, joined with
// other inputs, and words of the grammar put in.

export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    // xorshift32
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return limit <= 0 ? 0 : this.#state % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

export interface Material {
  readonly inputs: readonly Buffer[];
  /** Words that mean something to the target. */
  readonly words: readonly string[];
}

/** Octets of the longest input that is made. */
const MAX_INPUT = 256 * 1024;

export function makeInput({ inputs, words }: Material, random: Random): Buffer {
  let input = random.pick(inputs);
  for (let changes = 1 + random.below(6); changes > 0; changes--)
    input = change(input, { inputs, words }, random);
  return input.subarray(0, MAX_INPUT);
}

function change(input: Buffer, { inputs, words }: Material, random: Random): Buffer {
  const at = random.below(input.length + 1);
  const end = Math.min(input.length, at + 1 + random.below(random.below(4) === 0 ? 400 : 8));
  const before = input.subarray(0, at);
  const behind = input.subarray(end);
  switch (random.below(8)) {
    case 0: {
      const copy = Buffer.from(input);
      if (at < copy.length) copy[at] = random.below(256);
      return copy;
    }
    case 1:
      return Buffer.concat([before, behind]);
    case 2:
      return Buffer.concat([before, input.subarray(at, end), input.subarray(at)]);
    case 3: {
      const piece = input.subarray(at, Math.min(end, at + 40));
      const times = Math.min(random.below(4) === 0 ? 20_000 : 20, Math.floor(MAX_INPUT / (piece.length + 1)));
      return Buffer.concat([before, ...Array.from({ length: times }, () => piece), behind]);
    }
    case 4: {
      const other = random.pick(inputs);
      const from = random.below(other.length);
      return Buffer.concat([before, other.subarray(from, from + random.below(300)), behind]);
    }
    case 5:
      return Buffer.concat([before, Buffer.from(random.pick(words), 'latin1'), behind]);
    case 6:
      return Buffer.concat([before, Buffer.from(random.pick(words), 'latin1'), input.subarray(at)]);
    default:
      return Buffer.concat([before, Buffer.of(random.below(256)), input.subarray(at)]);
  }
}
