// An agent that prints what it does: `spearlet run` shows the line under its name.
import { serve } from 'spearlet/agent';

console.log(`says ${process.env.GREETING}`);
await serve({ greet: ({ args }) => `${process.env.GREETING}, ${args.join(' ')}` });
