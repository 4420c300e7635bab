// The transports of this machine on which a host listens.
import { createListening } from './network.ts';
import { tcp } from './tcp.ts';
import { unix } from './unix.ts';
import { webSockets } from './websocket.ts';

export const realNetwork = createListening({ tcp, unix, ws: webSockets });
