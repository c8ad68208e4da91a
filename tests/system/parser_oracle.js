// SPDX-License-Identifier: MIT
// parser_oracle.js: what Node's HTTP parser says about byte streams.  Input and
// output as of tests/unit/parse_verdict.c, without a status.  A plain http
// server, fed through streams in place of sockets, so that the end of each one
// is seen and nothing is timed.
'use strict';
const http = require('http');
const readline = require('readline');
const { Duplex } = require('stream');

const hex = (text) => Buffer.from(text, 'latin1').toString('hex');

const server = http.createServer({
  requireHostHeader: false,
  insecureHTTPParser: false,
  maxHeaderSize: 1 << 20,
});
server.timeout = server.headersTimeout = server.requestTimeout = 0;
server.maxHeadersCount = 0;

// What the parser has finished, whatever became of the connection since then.
function take(req) {
  const body = [];
  req.on('data', (piece) => body.push(piece));
  req.on('error', () => {});
  req.socket.requests.push({ req, body });
}
server.on('request', (req, res) => {
  take(req);
  req.on('end', () => res.end());
});
server.on('checkContinue', (req, res) => server.emit('request', req, res));
server.on('checkExpectation', (req, res) => server.emit('request', req, res));
server.on('connect', (req, socket) => {
  socket.requests.push({ req, body: [] });
  socket.destroy();
});
server.on('clientError', (error, socket) => {
  socket.reason = error.code || String(error);
  for (const { req } of socket.requests) while (req.read() !== null);
  socket.destroy();
});

function describe({ req, body }) {
  const fields = [];
  for (let i = 0; i < req.rawHeaders.length; i += 2)
    fields.push([hex(req.rawHeaders[i]), hex(req.rawHeaders[i + 1])]);
  return {
    method: hex(req.method),
    target: hex(req.url),
    minor: req.httpVersionMinor,
    fields,
    body: Buffer.concat(body).toString('hex'),
  };
}

class Client extends Duplex {
  constructor(bytes) {
    super({ allowHalfOpen: true });
    this.requests = [];
    this.reason = '';
    this.bytes = bytes;
  }
  _read() {
    if (this.bytes === null) return;
    this.push(this.bytes);
    this.push(null);
    this.bytes = null;
  }
  _write(piece, encoding, done) { done(); }
  setTimeout() {}
  setNoDelay() {}
  setKeepAlive() {}
  ref() {}
  unref() {}
}

function judge(line) {
  return new Promise((resolve) => {
    const client = new Client(Buffer.from(line, 'hex'));
    client.on('error', () => {});
    client.on('close', () => resolve(JSON.stringify({
      messages: client.requests.filter(({ req }) => req.complete)
        .map(describe),
      reason: client.reason,
    })));
    server.emit('connection', client);
  });
}

async function main() {
  const lines = [];
  for await (const line of readline.createInterface({ input: process.stdin }))
    lines.push(line);
  const output = [];
  for (const line of lines) output.push(await judge(line));
  process.stdout.write(output.join('\n') + '\n', () => process.exit(0));
}
main();
