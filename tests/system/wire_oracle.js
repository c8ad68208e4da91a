// SPDX-License-Identifier: MIT
// wire_oracle.js: Node's http server, which answers with what it saw as the plugin
// of tests/plugins/wire does.  Prints its port; ends with its stdin.
'use strict';
const http = require('http');

const server = http.createServer({
  requireHostHeader: false,
  insecureHTTPParser: false,
  maxHeaderSize: 1 << 20,
  keepAliveTimeout: 0,
});
server.timeout = server.headersTimeout = server.requestTimeout = 0;
server.maxHeadersCount = 0;
server.httpAllowHalfOpen = true;

// Call then() when each request that is whole has been answered.
function whenAnswered(socket, then) {
  if (socket.requests.some(({ req, done }) => req.complete && !done))
    setImmediate(whenAnswered, socket, then);
  else
    then();
}

server.on('connection', (socket) => {
  socket.requests = [];
  socket.on('error', () => {});
  // behind an Upgrade it reads nothing, and would wait
  socket.on('end', () => whenAnswered(socket, () => socket.end()));
});
server.on('request', (req, res) => {
  const body = [];
  const one = { req, done: false };
  req.socket.requests.push(one);
  req.on('error', () => {});
  req.on('data', (piece) => body.push(piece));
  req.on('end', () => {
    const text = Buffer.from(JSON.stringify({
      method: req.method,
      target: req.url,
      body: Buffer.concat(body).toString('latin1'),
    }));
    res.on('finish', () => { one.done = true; });
    res.writeHead(200, { 'X-Method': req.method, 'Content-Length': text.length });
    res.end(text);
  });
});
// Its 100 comes in the midst of an answer before, where requests are pipelined;
// and without one it would close.
server.on('checkContinue', (req, res) => {
  res._sent100 = true;
  server.emit('request', req, res);
});
server.on('checkExpectation', (req, res) => server.emit('request', req, res));

// What was whole before the error is answered first.
server.on('clientError', (error, socket) => {
  whenAnswered(socket, () => {
    if (!socket.writable) return;
    socket.end('HTTP/1.1 400 Bad Request\r\nDate: now\r\nConnection: close\r\n' +
      'X-Error: ' + (error.code || 'unknown') + '\r\nContent-Length: 0\r\n\r\n');
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
