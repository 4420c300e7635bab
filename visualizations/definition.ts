// A machine's configuration as JSON: functions become their names, or are left out where they compute parameters or inputs.
import type { AnyStateMachine } from 'xstate';

const computed = ['context', 'params', 'input', 'output'];

export function definitionOf(machine: AnyStateMachine): string {
  return `${JSON.stringify(plain(machine.config), null, 2)}\n`;
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'function') return plainFunction(value as unknown as { type?: string; name: string });
  if (typeof value !== 'object' || value === null) return value;
  const held = Object.entries(value).filter(([key, each]) => !(typeof each === 'function' && computed.includes(key)));
  return Object.fromEntries(held.map(([key, each]) => [key, plain(each)]));
}

/** XState's own actions are functions with their settings as properties. */
function plainFunction(value: { type?: string; name: string }): unknown {
  const settings = Object.entries(value).filter(([, each]) => typeof each !== 'function');
  return plain({ ...Object.fromEntries(settings), type: value.type ?? value.name });
}
