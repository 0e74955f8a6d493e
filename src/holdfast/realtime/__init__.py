"""Socket.IO: rooms, and what is said in them. Sockets are hints: whoever missed something reads it again over HTTP."""
