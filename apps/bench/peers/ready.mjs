/**
 * Tells the bench that this process is ready, and ends it when the bench is gone.
 *
 * @param {{ websocket: string, engine: string }} value - where its sockets are, and what they run on
 */
export function ready(value) {
  process.on('disconnect', () => process.exit(0));
  // An interrupt from the terminal reaches the whole group; the bench ends its processes itself.
  process.on('SIGINT', () => undefined);
  process.send?.({ event: 'ready', value });
}

/** @param {unknown} error */
export function failed(error) {
  process.send?.({ event: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
