// The readers of an execution: each notes what it is told, checked against the content as it comes, and keeps no output. What
// it may be told is for the model to say.
import { sleep } from '../measure.js';
import { content, pick, whole } from './content.js';

const KINDS = { subscribed: 4, pulling: 4, slow: 1, late: 2, after: 2, leaving: 2, leavingThenAnother: 2, cancelling: 1, middle: 2 };
/** Lines of a story that are kept of one reader: the first ones and the last ones. */
const KEPT = 12;

function createNote(job, kind, first) {
  const note = {
    kind,
    /** Nobody has read before it. */
    first,
    began: performance.now(),
    offset: 0,
    pieces: 0,
    started: 0,
    gaps: [],
    terminal: null,
    /** The reader saw it to its end. */
    ended: false,
    left: false,
    /** Its output ends in the midst of a code point. */
    cut: false,
    thrown: undefined,
    lines: [],
    wrong: [],
  };
  const line = text => {
    if (note.lines.length >= 2 * KEPT) note.lines.splice(KEPT, 1);
    note.lines.push(`${performance.now().toFixed(0)} ${text}`);
  };
  const wrong = text => {
    line(`WRONG: ${text}`);
    if (note.wrong.length < 5) note.wrong.push(text);
  };
  note.take = update => {
    if (note.left) wrong(`${update.status} after it had left`);
    if (note.terminal !== null) wrong(`${update.status} after the terminal update`);
    if (update.status === 'started') {
      line('started');
      note.started += 1;
      if (note.started > 1 || note.pieces > 0 || note.gaps.length > 0) wrong('started is not the first, or comes twice');
    } else if (update.status !== 'running') {
      line(`${update.status} at ${note.offset}`);
      note.terminal = update;
    } else if (update.gap !== undefined) {
      const { from, to } = update.gap;
      line(`gap ${from} to ${to}`);
      if (update.output !== undefined) wrong('a gap with output');
      if (from !== note.offset || !(to > from)) wrong(`gap ${from} to ${to} at offset ${note.offset}`);
      note.gaps.push({ from, to });
      note.offset = Math.max(note.offset, to);
    } else {
      const piece = Buffer.from(update.output ?? '');
      line(`${piece.length} bytes at ${note.offset}`);
      note.pieces += 1;
      if (piece.length === 0) return;
      if (note.cut) wrong('output after a code point without an end');
      // A program that was ended in the midst of a code point: wire v1 shows its half as U+FFFD.
      if (job.program && update.output === '\ufffd') {
        note.cut = true;
        return;
      }
      if (!content.isAt(piece, job.base, note.offset)) {
        const holes = content.holes(piece, job.base + note.offset, job.total);
        const where = holes === null ? 'nowhere near' : `${note.offset + (holes[0]?.to ?? 0)}`;
        wrong(`the piece at offset ${note.offset} is what was written at ${where}, without a gap`);
        // What comes behind is checked from there on: one loss is one finding.
        if (holes !== null) note.offset += holes.reduce((sum, { from, to }) => sum + to - from, 0);
      }
      note.offset += piece.length;
    }
  };
  return note;
}

/** Some readers for an execution, of kinds by chance. `told` are their notes; they go on until it ends. */
export function createReaders(random, job, execution, { stall }) {
  const told = [];
  const tasks = [];
  const kinds = [];
  for (let count = pick(random, { 0: 1, 1: 5, 2: 3, 3: 1 }); count > 0; count -= 1) kinds.push(pick(random, KINDS));
  const note = kind => {
    const made = createNote(job, kind, told.length === 0);
    told.push(made);
    return made;
  };

  const subscribe = (mine, cancelAt = 0) => {
    let updates = 0;
    return execution.updates$.subscribe({
      next(update) {
        mine.take(update);
        updates += 1;
        if (cancelAt > 0 && updates === cancelAt && mine.terminal === null) {
          job.cancelled ??= performance.now();
          execution.cancel('by a reader');
        }
      },
      error: () => mine.wrong.push('updates$ errors'),
      complete() {
        if (mine.terminal === null) mine.wrong.push('completes without a terminal update');
        mine.ended = true;
      },
    });
  };
  const pull = async (mine, between = () => {}, most = Number.POSITIVE_INFINITY) => {
    let updates = 0;
    try {
      for await (const update of execution) {
        mine.take(update);
        updates += 1;
        if (updates >= most) {
          mine.left = true;
          return;
        }
        await between();
      }
      mine.ended = true;
    } catch (error) {
      mine.thrown = error;
      mine.ended = true;
      if (mine.terminal === null) mine.wrong.push('throws before the last update');
    }
  };

  for (const kind of kinds) {
    const chance = random();
    const most = whole(random, 1, 6);
    if (kind === 'subscribed') subscribe(note(kind));
    else if (kind === 'cancelling') subscribe(note(kind), most);
    else if (kind === 'pulling') tasks.push(pull(note(kind)));
    else if (kind === 'slow') {
      let stalled = false;
      const between = () => {
        if (stalled) return sleep(1);
        stalled = true;
        return sleep(chance * stall);
      };
      tasks.push(pull(note(kind), between));
    } else if (kind === 'late' || kind === 'middle') {
      const come = async () => {
        await sleep(kind === 'late' ? chance * 500 : chance * 40);
        const mine = note(kind);
        if (most % 2) subscribe(mine);
        else await pull(mine);
      };
      tasks.push(come());
    } else if (kind === 'after') {
      const come = async () => {
        await execution.result.catch(() => {});
        const mine = note(kind);
        if (most % 2) subscribe(mine);
        else await pull(mine);
      };
      tasks.push(come());
    } else {
      const come = async () => {
        const mine = note(kind);
        if (most % 2) await pull(mine, undefined, most);
        else {
          const subscription = subscribe(mine);
          await sleep(chance * 60);
          mine.left = true;
          subscription.unsubscribe();
        }
        if (kind === 'leaving') return;
        await sleep(chance * 30);
        await pull(note('another'));
      };
      tasks.push(come());
    }
  }
  return { told, done: Promise.all(tasks) };
}
