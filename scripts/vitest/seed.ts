/** `SEED=1234 npm test -- <file>`: every property of the file runs the cases of that seed, as a failure printed it. */
const seed = process.env['SEED'];
if (seed !== undefined) {
  if (!/^-?\d+$/.test(seed)) throw new Error(`SEED must be a whole number, got ${JSON.stringify(seed)}`);
  const { configureGlobal } = await import('fast-check');
  configureGlobal({ seed: Number(seed) });
}
export {};
