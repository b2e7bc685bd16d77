/** The little that a store needs of a database: JSON values by key. A failure rejects. */
export interface Backend {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  close(): Promise<void>;
}

/** A backend in this process's memory. Values are copied in and out, as a database would. */
export function memoryBackend(): Backend {
  const values = new Map<string, string>();
  return {
    get(key) {
      const value = values.get(key);
      return Promise.resolve(value === undefined ? undefined : JSON.parse(value));
    },
    set(key, value) {
      values.set(key, JSON.stringify(value));
      return Promise.resolve();
    },
    delete(key) {
      values.delete(key);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}
