// Opens the listener of one instance, by its transport.
import type { InstanceRecord } from '../instance/record.ts';
import type { World } from '../instance/world.ts';
import { createSocketFolder, type SocketFolder, socketFolderOf } from '../journal/socket-folder.ts';
import type { ParsedOptions } from '../option-schemas.ts';
import type { Ports } from '../transport/ports.ts';
import type { ByteStream, Listener } from '../transport/stream.ts';

export type OwnListener = (record: InstanceRecord, accepted: (stream: ByteStream) => void) => Listener;

export function createOwnListener(world: World, { stateDir }: ParsedOptions, ports: Ports): OwnListener {
  const { network, random, state, workingDirectory, environment } = world;
  let sockets: SocketFolder | null = null;
  const newPath = (): string => {
    if (state === undefined) throw new Error('this world has no disk for Unix sockets');
    sockets ??= createSocketFolder({ ...state, folder: socketFolderOf(stateDir, workingDirectory, environment), id: random.id() });
    return sockets.newPath();
  };
  return ({ transport, origins }, accepted) => {
    if (transport === 'unix') return network.listen({ kind: 'unix', path: newPath() }, accepted);
    return transport === 'ws' ? ports.listen(accepted, { origins }) : ports.listen(accepted);
  };
}
