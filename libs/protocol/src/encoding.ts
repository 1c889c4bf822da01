/** How frames are written into WebSocket messages: text messages of JSON, or binary messages of records. */
export type Encoding = 'json' | 'binary';

/** The WebSocket subprotocol that names each encoding of protocol v1. */
export const subprotocols = {
  json: 'millrace.v1.json',
  binary: 'millrace.v1.bin',
} as const satisfies Record<Encoding, string>;

/** Null for a subprotocol that is not ours. */
export function encodingOf(subprotocol: string): Encoding | null {
  if (subprotocol === subprotocols.json) return 'json';
  return subprotocol === subprotocols.binary ? 'binary' : null;
}

/**
 * Picks what a server answers to the client's offer: the first of it that is ours, null when none is.
 *
 * @param offered - the names of `Sec-WebSocket-Protocol`, in the client's order.
 */
export function chooseSubprotocol(offered: Iterable<string>): Encoding | null {
  for (const name of offered) {
    const encoding = encodingOf(name.trim());
    if (encoding !== null) return encoding;
  }
  return null;
}

/** What goes into a WebSocket message: a text for `json`, bytes for `binary`. */
export type Encoded<E extends Encoding = Encoding> = E extends 'json' ? string : Uint8Array;
