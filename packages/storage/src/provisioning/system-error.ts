/** Whether an error is the operating system's, and of this code where one is given. */
export function isSystemError(error: unknown, code?: string): boolean {
  return (
    error instanceof Error &&
    'syscall' in error &&
    'code' in error &&
    (code === undefined ? typeof error.code === 'string' : error.code === code)
  );
}
