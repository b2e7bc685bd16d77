/** Tells an observer. One that fails must not change a decision, so what it throws or rejects with is dropped. */
export function tell<Event>(observer: ((event: Event) => unknown) | undefined, event: Event): void {
  void dropped(observer, event);
}

async function dropped<Event>(observer: ((event: Event) => unknown) | undefined, event: Event): Promise<void> {
  try {
    await observer?.(event);
  } catch {
    // An observer that wants to know of its own failures catches them itself.
  }
}
