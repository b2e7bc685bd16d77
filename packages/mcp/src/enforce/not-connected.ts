/** Thrown when a tool's rule can only be read from a connected server: the decision is put off until it is. */
export class NotConnected extends Error {}
