// The frame types and flags of wire v2. What is not listed here does not exist: a frame with it is refused.

/** The length of a header in bytes: u32 length of the body, u8 type, u8 flags, u16 zero, u64 request id; all little-endian. */
export const HEADER_BYTES = 16;

export const REQUEST = 0x01;
export const CANCEL = 0x02;
export const SIGNAL = 0x03;
export const TERMINATE = 0x04;
export const WINDOW = 0x05;
export const STARTED = 0x11;
export const OUTPUT = 0x12;
export const RESULT = 0x13;
export const REPORT = 0x14;
export const HEARTBEAT = 0x21;
export const ERROR = 0x22;
export const ACKNOWLEDGE = 0x23;
export const RESUME = 0x24;

/** Control messages begin here. The others count: the sender keeps them until they are acknowledged. */
export const CONTROL = 0x20;

/** More pieces of this body follow, in frames of the same type, flags and request id. */
export const MORE = 1;
/** Of a Request. */
export const HAS_INPUT = 2;
export const HAS_SETTINGS = 4;
/** Of an Output. */
export const STDERR = 2;
/** Of a Started, an Output and a Result. */
export const HAS_OFFSET = 4;
/** Of a Result. */
export const FAILED = 2;
export const HAS_EXIT_CODE = 8;
export const HAS_ERROR = 16;
export const HAS_OUTPUT = 32;

/** The flags that each type of frame may have; -1 for a type that this side does not read. Indexed by type. */
export type AllowedFlags = Int16Array;

function allow(flags: Readonly<Record<number, number>>): AllowedFlags {
  const allowed = new Int16Array(256).fill(-1);
  for (const [type, bits] of Object.entries({ [HEARTBEAT]: 0, [ERROR]: 0, [ACKNOWLEDGE]: 0, [RESUME]: 0, ...flags }))
    allowed[Number(type)] = bits;
  return allowed;
}

export const fromHost = allow({ [REQUEST]: MORE | HAS_INPUT | HAS_SETTINGS, [CANCEL]: 0, [SIGNAL]: 0, [TERMINATE]: 0, [WINDOW]: 0 });
export const fromAgent = allow({
  [STARTED]: HAS_OFFSET,
  [OUTPUT]: STDERR | HAS_OFFSET,
  [REPORT]: 0,
  [RESULT]: MORE | FAILED | HAS_OFFSET | HAS_EXIT_CODE | HAS_ERROR | HAS_OUTPUT,
});

/** Whether a frame counts. */
export const isCounted = (frame: Buffer): boolean => frame[4]! < CONTROL;
