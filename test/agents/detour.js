// Leads the connections of an agent through the proxy of the callers' proof: the first line says whose it is and where it
// wanted to go. Imported before anything connects; without SCRIBE_PROXY it leads nowhere.
import { Socket } from 'node:net';

/** Every socket that this agent has opened and not lost. */
export const sockets = new Set();

const proxy = Number(process.env.SCRIBE_PROXY ?? 0);
const { connect } = Socket.prototype;
Socket.prototype.connect = function (...args) {
  sockets.add(this);
  this.once('close', () => sockets.delete(this));
  if (proxy === 0) return connect.apply(this, args);
  connect.call(this, { host: '127.0.0.1', port: proxy });
  this.write(`${process.env.SPEARLET_INSTANCE_ID} ${process.env.SPEARLET_ADDR}\n`);
  return this;
};
