// The schemas of texts, of maps of texts and of sizes, which options and configuration files share.
import { z } from 'zod';

/** Text without lone surrogates, which cannot be sent as UTF-8. */
export const wellFormed = z.string().refine(value => value.isWellFormed(), { error: 'holds a lone surrogate, which is not text' });
/** Text that can be an argument of a system call. */
export const plain = wellFormed.refine(value => !value.includes('\0'), { error: 'holds a NUL, which cannot be passed to a program' });

/** Parses names and texts into a Map: z.record loses the name `__proto__`, and an object reorders names that look like integers. */
export const textMap = (text: z.ZodType<string>, nameRule: RegExp, rule: string) =>
  z
    .custom<Readonly<Record<string, string>> | ReadonlyMap<string, string>>()
    .transform((value: unknown, check): ReadonlyMap<string, string> => {
      const map = new Map<string, string>();
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        check.issues.push({ code: 'custom', input: value, message: 'expected an object of strings' });
        return map;
      }
      for (const [name, each] of value instanceof Map ? (value as Map<unknown, unknown>) : Object.entries(value)) {
        const parsed = text.safeParse(each);
        const problem =
          parsed.error?.issues[0]?.message ?? (typeof name === 'string' && name.isWellFormed() && nameRule.test(name) ? null : rule);
        if (problem !== null) check.issues.push({ code: 'custom', input: each, message: problem, path: [String(name)] });
        else map.set(name as string, each as string);
      }
      return map;
    });
export const environment = textMap(plain, /^[^=\0]+$/, "a name must not be empty and must not hold '=' or NUL");

const UNITS: Record<string, number> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** A number is bytes; `'1GB'` is 10^9 and `'1GiB'` is 2^30. */
export const size = z
  .union([
    z.int().min(1),
    z
      .string()
      .regex(/^\d+(\.\d+)?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/, { error: "must be bytes, or a text like '512MB' (10^6) or '1GiB' (2^30)" }),
  ])
  .transform(value => {
    if (typeof value === 'number') return value;
    const [, digits, unit] = /^([\d.]+)(\w+)$/.exec(value)!;
    return Math.floor(Number(digits) * UNITS[unit!]!);
  });
