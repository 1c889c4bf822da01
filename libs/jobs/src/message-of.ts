/** What a client of Redis threw, as a text; it throws what is no error, too. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
