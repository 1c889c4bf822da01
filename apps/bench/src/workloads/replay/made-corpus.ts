/** A message of a corpus, as `millrace replay` reads it. */
export interface CorpusMessage {
  readonly channel: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly from: string;
  readonly text: string;
}

const CHANNELS = 100;
const PEOPLE = 2_000;
/** Who speaks in a channel, beside a guest now and then. */
const REGULARS = 30;
const GUEST_EVERY = 20;
const FIRST_AT_MS = Date.UTC(2020, 0, 1);
const STEP_MS = 1_000;
const WORDS_MAX = 24;
/** Of several scripts, so that bytes are not characters. */
const WORDS =
  'the server node stream message again this that works wrong here after before install kernel module file bueno straße привет 你好 ありがとう 감사합니다 why how maybe thanks'.split(
    ' ',
  );

/** A number that looks drawn, and is the same each time. */
function drawn(index: number, salt: number, below: number): number {
  let mixed = Math.imul(index + 1, 0x9e37_79b1) ^ Math.imul(salt + 1, 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b_3c6d);
  return ((mixed ^ (mixed >>> 12)) >>> 0) % below;
}

/**
 * Made-up conversations of the form of a corpus: channels with regulars and guests, lines of one to two dozen words.
 * The same for the same count.
 *
 * @param from - which of all that could be made is the first one.
 */
export function madeCorpus(messages: number, channels = CHANNELS, from = 0): readonly CorpusMessage[] {
  return Array.from({ length: messages }, (_, offset) => {
    const index = from + offset;
    const channel = drawn(index, 1, channels);
    const isGuest = drawn(index, 2, GUEST_EVERY) === 0;
    const person = isGuest ? drawn(index, 3, PEOPLE) : channel * REGULARS + drawn(index, 3, REGULARS);
    const words = Array.from(
      { length: 1 + drawn(index, 4, WORDS_MAX) },
      (_word, place) => WORDS[drawn(index, 10 + place, WORDS.length)],
    );
    return {
      channel: `channel-${String(channel)}`,
      at: new Date(FIRST_AT_MS + index * STEP_MS).toISOString(),
      from: `${isGuest ? 'guest' : 'regular'} ${String(person)}`,
      text: words.join(' '),
    };
  });
}
