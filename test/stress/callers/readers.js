// The readers of an execution. Each compares its updates with the content as they arrive, and keeps notes but no output. The model
// judges the notes.
import { sleep } from '../measure.js';
import { content, pick, whole } from './content.js';

const KINDS = { subscribed: 4, pulling: 4, slow: 1, late: 2, after: 2, leaving: 2, leavingThenAnother: 2, cancelling: 1, middle: 2 };
/** How many of the first and of the last lines are kept in the notes of a reader. */
const KEPT = 12;

function createNote(job, kind, first) {
  const note = {
    kind,
    /** It is the first reader. */
    first,
    began: performance.now(),
    offset: 0,
    pieces: 0,
    started: 0,
    gaps: [],
    terminal: null,
    /** The reader has read to the end. */
    ended: false,
    left: false,
    /** Its output ends within a code point. */
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
      // A program was ended within a code point: on wire v1 the incomplete one is U+FFFD.
      if (job.program && update.output === '\ufffd') {
        note.cut = true;
        return;
      }
      if (!content.isAt(piece, job.base, note.offset)) {
        const holes = content.holes(piece, job.base + note.offset, job.total);
        const where = holes === null ? 'nowhere near' : `${note.offset + (holes[0]?.to ?? 0)}`;
        wrong(`the piece at offset ${note.offset} is what was written at ${where}, without a gap`);
        // Checking goes on behind the loss, so that one loss is one finding.
        if (holes !== null) note.offset += holes.reduce((sum, { from, to }) => sum + to - from, 0);
      }
      note.offset += piece.length;
    }
  };
  return note;
}

/** Creates readers of random kinds for an execution; they read until it ends. */
export function createReaders(random, job, execution, { stall }) {
  const notes = [];
  const tasks = [];
  const kinds = [];
  for (let count = pick(random, { 0: 1, 1: 5, 2: 3, 3: 1 }); count > 0; count -= 1) kinds.push(pick(random, KINDS));
  const note = kind => {
    const made = createNote(job, kind, notes.length === 0);
    notes.push(made);
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
    const share = random();
    const most = whole(random, 1, 6);
    if (kind === 'subscribed') subscribe(note(kind));
    else if (kind === 'cancelling') subscribe(note(kind), most);
    else if (kind === 'pulling') tasks.push(pull(note(kind)));
    else if (kind === 'slow') {
      let stalled = false;
      const between = () => {
        if (stalled) return sleep(1);
        stalled = true;
        return sleep(share * stall);
      };
      tasks.push(pull(note(kind), between));
    } else if (kind === 'late' || kind === 'middle') {
      const come = async () => {
        await sleep(kind === 'late' ? share * 500 : share * 40);
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
          await sleep(share * 60);
          mine.left = true;
          subscription.unsubscribe();
        }
        if (kind === 'leaving') return;
        await sleep(share * 30);
        await pull(note('another'));
      };
      tasks.push(come());
    }
  }
  return { notes, done: Promise.all(tasks) };
}
