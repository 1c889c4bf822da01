/** What the server answers of a part of a chain. */
export interface ChainPageAnswer {
  readonly entries: number;
  readonly erased: number;
  readonly unbound: number;
  readonly broken: readonly {
    readonly gen: number;
    readonly first: number;
    readonly last: number;
    readonly why: string;
  }[];
  readonly marks: readonly { readonly gen: number; readonly seq: number; readonly link: string }[];
  readonly hot: number | null;
  readonly next: string | null;
}

/** The chain of one conversation, put together. */
export interface WholeChain extends Pick<ChainPageAnswer, 'entries' | 'erased' | 'unbound' | 'broken'> {
  readonly conversation: string;
  readonly hot: number;
  /** As `GEN-SEQ:LINK`, in order. */
  readonly marks: ReadonlySet<string>;
}

const MARK = /^[1-9]\d*-[1-9]\d*:[0-9a-f]{64}$/;

/** A mark as it was printed; null for what is none. */
export const markOf = (text: string): string | null => (MARK.test(text) ? text : null);

export function chainOf(conversation: string, pages: readonly ChainPageAnswer[]): WholeChain {
  const sum = (of: (page: ChainPageAnswer) => number): number => pages.reduce((total, page) => total + of(page), 0);
  const marks = pages.flatMap((page) => page.marks);
  return {
    conversation,
    entries: sum(({ entries }) => entries),
    erased: sum(({ erased }) => erased),
    unbound: sum(({ unbound }) => unbound),
    broken: pages.flatMap(({ broken }) => broken),
    hot: sum(({ hot }) => hot ?? 0),
    marks: new Set(marks.map(({ gen, seq, link }) => `${String(gen)}-${String(seq)}:${link}`)),
  };
}

export const isWhole = ({ broken }: WholeChain): boolean => broken.length === 0;

/** What is told of one that was asked for by its name. */
export function chainLines({ conversation, entries, erased, unbound, hot, marks }: WholeChain): readonly string[] {
  const head = [...marks].at(-1);
  return [
    `${conversation}: ${String(entries)} archived entries, ${String(erased)} of them erased; ` +
      `${String(hot)} are not archived yet, and bound to nothing`,
    ...(unbound === 0 ? [] : [`${String(unbound)} were archived before there was a chain: nothing binds them`]),
    head === undefined ? 'no chain begins yet' : `mark ${head}`,
  ];
}

/** The last line of a check. */
export function totalLine(chains: readonly WholeChain[], grouped: (count: number) => string): string {
  const total = (of: (chain: WholeChain) => number): string =>
    grouped(chains.reduce((sum, chain) => sum + of(chain), 0));
  const broken = grouped(chains.filter((chain) => !isWhole(chain)).length);
  return (
    `checked ${grouped(chains.length)} chains of ${total(({ entries }) => entries)} entries, ` +
    `${total(({ erased }) => erased)} erased: ${broken} broken`
  );
}
