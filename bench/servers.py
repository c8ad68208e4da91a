# SPDX-License-Identifier: MIT
"""The servers of the benchmarks: clusterd, the raw epoll program and the peers that
the machine has.  One worker each, logs off, the same body and, but for what a peer
cannot leave out, the same fields: Date, Server, Content-Type, Content-Length."""
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

BODY = "Hello, World!\n"
TYPE = "text/plain; charset=utf-8"
BROWSER = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.7,de;q=0.3", "Accept-Encoding: gzip, deflate, br, zstd",
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1",
    "Upgrade-Insecure-Requests: 1", "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: none", "Priority: u=0, i"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    """The process and its descendants."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children") as f:
                    todo += map(int, f.read().split())
        except OSError:
            pass
    return found


def cpu_us(pid):
    """CPU time of the tree, user and system, by the scheduler's account."""
    total = 0
    for one in tree(pid):
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1000


class Server:
    """pinned: all of it on core 0."""

    def __init__(self, name, argv, port, pinned=False, env=None):
        self.name, self.argv, self.port = name, argv, port
        before = os.sched_getaffinity(0)
        self.began = time.monotonic()
        if pinned:                      # inherited
            os.sched_setaffinity(0, {min(before)})
        try:
            self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=env,
                                            stderr=subprocess.DEVNULL, start_new_session=True)
        finally:
            os.sched_setaffinity(0, before)
        self.pid = self.process.pid

    def wait_ready(self, limit=10):
        end = time.monotonic() + limit
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1) as answer:
                    if answer.read().decode() != BODY:
                        raise SystemExit(f"bench: {self.name} answers something else")
                return
            except OSError as error:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise SystemExit(f"bench: {self.name} does not answer: {error}") from None
                time.sleep(0.02)

    def worker(self):
        """The process that serves, the last of them."""
        found = tree(self.pid)
        return ([pid for pid in found if title(pid).startswith("clusterd: worker")] or found)[-1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().split(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""


def directory(scratch, name):
    home = os.path.join(scratch, name.replace(" ", "-").replace(",", ""))
    os.makedirs(home)
    os.chmod(scratch, 0o755)
    return home


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def clusterd(build, scratch, name, schedule, more="", workers=1, pinned=True, daemon=""):
    port, home = free_port(), directory(scratch, f"{name} {workers}")
    os.makedirs(home + "/logs")
    os.chmod(home + "/logs", 0o777)
    path = write(home + "/clusterd.ini",
                 f"[daemon]\nrun_dir = {home}/run\nstate_dir = {home}/state\nplugin_dir = {build}/plugins\n"
                 f"{daemon}[pool web]\nlisten = 127.0.0.1:{port}\nworkers = {workers}\nschedule = {schedule}\n"
                 "max_connections = 16000\nroute = / hello\nroute = /echo echo\n" +
                 more.replace("@HOME", home) + "[plugin hello]\n[plugin echo]\n")
    server = Server(name, [os.path.join(build, "clusterd"), "-c", path], port, pinned)
    server.config, server.control = path, home + "/run/control.sock"
    return server


def rawepoll(build, pinned=True):
    port = free_port()
    return Server("raw epoll", [os.path.join(build, "bench/rawepoll"), str(port)], port, pinned)


# ---- peers --------------------------------------------------------------------------
# Each is the words that start it and what makes its configuration of a port, a
# directory and a number of workers.

def nginx(port, home, workers):
    return (f"daemon off; worker_processes {workers}; pid {home}/pid; error_log {home}/error.log crit;\n"
            "worker_rlimit_nofile 20000; events { worker_connections 16000; }\n"
            "http { access_log off; keepalive_requests 100000000; keepalive_timeout 60s;\n"
            + "".join(f"{name}_temp_path {home}/{name};\n"
                      for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) +
            f'server {{ listen 127.0.0.1:{port} backlog=1024; default_type "{TYPE}";\n'
            'location / { return 200 "Hello, World!\\n"; } } }\n')


def page(home):
    """A file to serve; returns its directory."""
    os.makedirs(home + "/www")
    write(home + "/www/index.txt", BODY)
    os.chmod(home + "/www", 0o755)
    return home + "/www"


def h2o(port, home, workers):
    """A file from its cache: it has no answer of its own without a script."""
    return (f"num-threads: {workers}\nmax-connections: 16000\nhttp1-request-timeout: 60\n"
            f"listen: {{host: 127.0.0.1, port: {port}}}\nfile.etag: OFF\nfile.index: [index.txt]\n"
            f'file.mime.settypes:\n  "{TYPE}": [".txt"]\n'
            f'hosts:\n  default:\n    paths:\n      "/":\n        file.dir: {page(home)}\n'
            "        header.unset: last-modified\n        header.unset: accept-ranges\n")


def lighttpd(port, home, workers):
    """A file from its cache, with two fields more."""
    return (f'server.document-root = "{page(home)}"\nserver.port = {port}\nserver.bind = "127.0.0.1"\n'
            f'index-file.names = ("index.txt")\nmimetype.assign = (".txt" => "{TYPE}")\n'
            'etag.use-inode = "disable"\netag.use-mtime = "disable"\netag.use-size = "disable"\n'
            "server.max-keep-alive-requests = 100000000\nserver.max-keep-alive-idle = 60\n"
            "server.max-connections = 10000\nserver.max-fds = 20000\n"
            + (f"server.max-worker = {workers}\n" if workers > 1 else ""))


def haproxy(port, _home, workers):
    return (f"global\n    nbthread {workers}\n    maxconn 9900\n    tune.maxaccept 64\ndefaults\n    mode http\n"
            "    timeout client 60s\n    timeout http-request 60s\n    timeout http-keep-alive 60s\n"
            f"frontend web\n    bind 127.0.0.1:{port}\n"
            f'    http-request return status 200 content-type "{TYPE}" string "Hello, World!\\n" '
            'hdr Date "%[date,http_date]" hdr Server haproxy\n')


KORE = r"""
#include <kore/kore.h>
#include <kore/http.h>
int page(struct http_request *);
int page(struct http_request *req)
{
	http_response_header(req, "content-type", "text/plain; charset=utf-8");
	http_response(req, 200, "Hello, World!\n", 14);
	return (KORE_RESULT_OK);
}
"""


def kore(port, home, workers):
    """A module of C; it sends no Date, but three fields of its own.  None: it cannot be made."""
    source = write(home + "/page.c", KORE)
    if subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", home + "/page.so", source], check=False,
                      capture_output=True).returncode != 0:
        return None
    return (f"workers {workers}\nworker_set_affinity 0\nworker_max_connections 16000\nhttp_keepalive_time 60\n"
            f"server main {{\n\tbind 127.0.0.1 {port}\n\ttls no\n}}\n"
            f"load {home}/page.so\ndomain * {{\n\tattach main\n\troute / page\n}}\n")


NODE = r"""
const cluster = require('cluster'), http = require('http');
if (cluster.isPrimary) {
    for (let i = 0; i < +process.argv[3]; i++)
        cluster.fork();
    process.on('SIGTERM', () => { for (const w of Object.values(cluster.workers)) w.kill(); process.exit(); });
} else {
    const type = { 'Content-Type': 'text/plain; charset=utf-8', Server: 'node' };
    const server = http.createServer((req, res) => {
        if (req.method !== 'POST') {
            res.writeHead(200, { ...type, 'Content-Length': 14 });
            return res.end('Hello, World!\n');
        }
        const parts = [];
        req.on('data', (part) => parts.push(part)).on('end', () => {
            const body = Buffer.concat(parts);
            res.writeHead(200, { ...type, 'Content-Length': body.length });
            res.end(body);
        });
    });
    server.keepAliveTimeout = 60000;
    server.listen(+process.argv[2], '127.0.0.1', 1024);
}
"""


def node(_port, _home, _workers):
    """Its cluster: a primary that passes connections on, round robin."""
    return NODE


PEERS = {
    "nginx": (["nginx", "-p", "@HOME", "-c", "@FILE"], nginx),
    "h2o": (["h2o", "-c", "@FILE"], h2o),
    "lighttpd": (["lighttpd", "-D", "-f", "@FILE"], lighttpd),
    "haproxy": (["haproxy", "-db", "-f", "@FILE"], haproxy),
    "kore": (["kore", "-f", "-n", "-r", "-c", "@FILE"], kore),
    "Node cluster": (["node", "@FILE", "@PORT", "@WORKERS"], node),
}


def peer(name, scratch, workers, pinned):
    """That server with its configuration; None where the machine has not got it."""
    argv, configuration = PEERS[name]
    if not shutil.which(argv[0]):
        return None
    port, home = free_port(), directory(scratch, f"{argv[0]}{workers}")
    text = configuration(port, home, workers)
    if text is None:
        return None
    words = {"@HOME": home, "@FILE": write(f"{home}/{argv[0]}.conf", text), "@PORT": str(port),
             "@WORKERS": str(workers)}
    return Server(name, [words.get(word, word) for word in argv], port, pinned)
