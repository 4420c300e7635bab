// The exit code that all commands share.

/** The command line or a file is wrong. Nothing was started. */
export const USAGE = 2;
