import { PortcullisError } from '@portcullis/core';

/** Thrown when a request is answered because its time is over, while what it does may still be done. */
export class StillRunning extends PortcullisError {
  constructor(timeoutMs: number) {
    super('store_unavailable', 'the request takes too long; whether it is carried out is not known', {
      detail: `no answer within ${String(timeoutMs)} ms`,
    });
  }
}
