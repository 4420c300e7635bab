// The transports of this machine.
import { createNetwork } from './network.ts';
import { tcp } from './tcp.ts';
import { unix } from './unix.ts';
import { webSockets } from './websocket.ts';

export const realNetwork = createNetwork({ tcp, unix, ws: webSockets });
