// SPDX-License-Identifier: MIT
// A program of Node as it stands: it knows nothing of who has started it.
process.on('message', message => {
	if (message.exit !== undefined)
		process.exit(message.exit);
	if (message.handle)
		return give_a_socket();
	process.send({ got: message, connected: process.connected });
});
process.on('disconnect', () => process.exit(7));

// Somebody's connection, and what is behind it.
function give_a_socket() {
	const net = require('net');
	process.on('warning', warning => process.send({ warned: warning.name }));
	const server = net.createServer(socket => {
		process.send({ socket: true }, socket);
		process.send({ after: true });
	});
	server.listen(0, '127.0.0.1', () => net.connect(server.address().port, '127.0.0.1'));
}
