// Mutants that no test can notice, because the changed program does the same. Each has its reason.

/** Key of the mutant → why it changes nothing. */
export const equivalent: Readonly<Record<string, string>> = {
  "proc-read.ts: return length < 0 ? null : scratch.toString('latin1', 0, length); → return length <= 0 ? null : scratch.toString('latin1', 0, length);":
    'the only files of /proc read here that can be empty are command lines, and of those null and an empty text mean the same',
  'json.ts: if ((traits & 2) === 0) return raw.slice(1, -1); → removed':
    'only the quick way is lost: a text without escapes is parsed as JSON, with the same result',
  'tcp.ts: socket.cork(); → ;': 'the same bytes go out in the same order, in more writes',
  'session.ts: stepAlarm.clear(); → ;':
    'the table ignores an answer timeout while serving, the next step sets the alarm anew, and the end clears it',
  'registry.ts: record.followers.clear(); → ;': 'a follower takes itself out when it is told that the output is complete',
  "trace.ts: if (event.type.startsWith('xstate.after.')) actor.timers.delete(event.type); → if (event.type.startsWith('')) actor.timers.delete(event.type);":
    'only timeouts are among the timers: of any other event nothing is deleted',
  'struct.ts: return true; → return false;':
    'only the quick way is lost: the name of the field is read and looked up instead, with the same result',
  'random.ts: Math.max(1, Math.floor(random.fraction() * Math.min(max, min * 2 ** Math.min(30, attempt - 1)))); → Math.max(1, Math.floor(random.fraction() * Math.min(max, min * 2 ** Math.min(60, attempt - 1))));':
    'it differs only after 31 falls in a row, with the least minimum (1 ms) and a maximum above 12 days',
  'struct.ts: for (let i = 0; i < literal.length; i += 1) if (bytes[at + i] !== literal[i]) return false; → for (let i = 0; i < literal.length; i += 1) if (bytes[at - i] !== literal[i]) return false;':
    'only the quick way is lost: the name of the field is read and looked up instead, with the same result',
  'codec.ts: const writer = new Writer(OUTPUT, flags, id, 8 + outputRoom); → const writer = new Writer(OUTPUT, flags, id, 16 + outputRoom);':
    'only more room is reserved than the frame takes',
  "request.ts: if (typeof input !== 'object' || input === null || Object.getPrototypeOf(input) !== Object.prototype) return null; → if (typeof input !== 'object' || input === null || Object.getPrototypeOf(input) === Object.prototype) return null;":
    'only the quick way is lost: the schema parses a plain request with the same result',
  'proc-read.ts: return first > 48 && first < 58 ? [Number(name)] : []; → return first > 48 && first <= 58 ? [Number(name)] : [];':
    'nothing in /proc has a name that begins with a colon',
  'active-execution.ts: if (offset <= (this.#output?.writtenBytes ?? 0)) return; → removed':
    'the output ignores what is not beyond its bytes; the log of its updates is only made earlier',
  'framed-channel.ts: #unacknowledgedBytes = 0; → #unacknowledgedBytes = 1;':
    'the other end is told after 256 KiB less one byte, which no promise names',
  'decoder.ts: if (taken > 0) append(this.#parts, chunk.subarray(at, at + taken)); → if (taken >= 0) append(this.#parts, chunk.subarray(at, at + taken));':
    'a part without bytes is joined with its neighbours, with the same body',
  'answers.ts: if (delivery.waiting.length === 0 || delivery.credit <= 0) return; → if (delivery.waiting.length === 0 && delivery.credit <= 0) return;':
    'only work is saved: answers without credit wait again, in the same order, and none that wait are nothing to resume',
  "authentication.ts: return { type: 'reply', message: v1.authRequest(2, { instanceId, token: '', clientVersion: CLIENT_VERSION, proof }) }; → return { type: 'reply', message: v1.authRequest(4, { instanceId, token: '', clientVersion: CLIENT_VERSION, proof }) };":
    'an AuthRequest may have any request id: the AuthResponse repeats it',
  'proc-read.ts: const KIB = 1024; → const KIB = 2048;': 'only the buffer for files of /proc, and the most that is read of one, are larger',
};
