// How a spawn is prepared: a clean environment, and a command that is found before the spawn.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cleanEnvironment, findProgram } from '../../src/process/environment.ts';
import { atEnd } from '../census/census.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  atEnd(() => rmSync(path, { recursive: true }));
  return path;
}
function program(path: string, mode = 0o755): string {
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, mode);
  return path;
}
const failed = (message: RegExp, hint: RegExp) =>
  expect.objectContaining({ code: 'SPAWN_FAILED', message: expect.stringMatching(message), hint: expect.stringMatching(hint) });

test('only allowed variables of the host are passed on; the spec replaces them, and spearlet replaces both', () => {
  const host = { HOME: '/home/me', PATH: '/bin', LANG: 'C', SECRET: 's', SPEARLET_TOKEN: 'old' };
  const spec = new Map([
    ['LANG', 'de'],
    ['__proto__', 'a name'],
    ['SPEARLET_TOKEN', 'mine'],
  ]);
  const environment = cleanEnvironment(host, spec, { SPEARLET_TOKEN: 'ours' });
  expect(Object.entries(environment).sort()).toEqual([
    ['HOME', '/home/me'],
    ['LANG', 'de'],
    ['PATH', '/bin'],
    ['SPEARLET_TOKEN', 'ours'],
    ['__proto__', 'a name'],
  ]);
});

test('every allowed name is passed on where the host has it', () => {
  const names = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER', 'LANG', 'TZ', 'TMPDIR'];
  const host = Object.fromEntries(names.map(name => [name, `of ${name}`]));
  expect({ ...cleanEnvironment(host, new Map(), {}) }).toEqual(host);
});

test('a command without a slash is the first in PATH that is a file and executable', () => {
  const [first, second, third] = [folder(), folder(), folder()];
  mkdirSync(join(first, 'tool'));
  program(join(second, 'tool'), 0o644);
  const right = program(join(third, 'tool'));
  expect(findProgram('tool', '/', { PATH: `${first}:/nowhere:${second}:${third}` })).toBe(right);
  expect(findProgram('tool', third, { PATH: '' })).toBe(right);
  expect(findProgram('tool', third, { PATH: '.' })).toBe(right);
  expect(findProgram('sh', '/', {})).toMatch(/bin\/sh$/);
});

test('a command with a slash is relative to the working directory, and is not searched in PATH', () => {
  const base = folder();
  mkdirSync(join(base, 'bin'));
  const right = program(join(base, 'bin', 'tool'));
  expect(findProgram('bin/tool', base, { PATH: '/bin' })).toBe(right);
  expect(findProgram(right, '/', { PATH: '/bin' })).toBe(right);
  expect(() => findProgram('./sh', base, { PATH: '/bin' })).toThrow(
    failed(/'\.\/sh' was not found: there is no file '.*\/sh'$/, /Install/),
  );
});

test('the error for a program that was not found names the places that were searched', () => {
  expect(() => findProgram('no-such-tool', '/', { PATH: '/bin:/nowhere' })).toThrow(
    failed(/'no-such-tool' was not found in PATH \(\/bin:\/nowhere\)$/, /Install/),
  );
  expect(() => findProgram('/etc/passwd/tool', '/', {})).toThrow(failed(/there is no file '\/etc\/passwd\/tool'$/, /Install/));
});

test('the error names a file that is not executable, and a working directory that does not exist', () => {
  const base = folder();
  const script = program(join(base, 'script'), 0o644);
  expect(() => findProgram('script', base, { PATH: base })).toThrow(failed(new RegExp(`'${script}' is not executable`), /chmod/));
  expect(() => findProgram('sh', join(base, 'none'), {})).toThrow(failed(/working directory '.*none'/, /workingDirectory/));
  expect(() => findProgram('sh', script, {})).toThrow(failed(/is no directory/, /workingDirectory/));
});
