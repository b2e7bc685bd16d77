/**
 * The present time in milliseconds since the Unix epoch.
 *
 * Everything in Portcullis that compares times takes one of these, so that a test can move time.
 */
export type Clock = () => number;

/** The clock of this machine. */
export const systemClock: Clock = () => Date.now();
