/** Chance as it is handed in: the system's, or a seeded one in tests and simulations. */
export interface Random {
  /** A whole number, 0..2^32-1. */
  uint32(): number;
  /** A number in [0, 1). */
  fraction(): number;
  /** 128 bits as 32 hexadecimal digits. */
  id(): string;
}

/** In two halves: of a number beyond 2^31 the text is made far more slowly. */
const hex = (value: number): string => hex16(value >>> 16) + hex16(value & 0xffff);
const hex16 = (value: number): string => value.toString(16).padStart(4, '0');

function randomOf(uint32: () => number): Random {
  return {
    uint32,
    fraction: () => uint32() / 4294967296,
    id: () => hex(uint32()) + hex(uint32()) + hex(uint32()) + hex(uint32()),
  };
}

/** Cryptographically strong chance of the platform (Web Crypto). */
export const systemRandom: Random = (() => {
  const pool = new Uint32Array(256);
  let used = pool.length;
  return randomOf(() => {
    if (used === pool.length) {
      crypto.getRandomValues(pool);
      used = 0;
    }
    const value = pool[used] ?? 0;
    used += 1;
    return value;
  });
})();

/** The same numbers for the same seed, on every platform (splitmix32). Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return randomOf(() => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  });
}
