# SPDX-License-Identifier: MIT
"""nginx as an oracle: one process of the caller's account in a directory of its
own, behind a Unix socket, so that no port can be anybody else's."""

import os
import shutil
import subprocess
import tempfile

import pytest

from harness import http, wait

CONFIG = """daemon off;
master_process off;
worker_processes 1;
pid %(dir)s/pid;
error_log %(dir)s/error.log info;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path %(dir)s/body;
    proxy_temp_path %(dir)s/proxy;
    fastcgi_temp_path %(dir)s/fastcgi;
    uwsgi_temp_path %(dir)s/uwsgi;
    scgi_temp_path %(dir)s/scgi;
    include %(types)s;
    default_type application/octet-stream;
    server {
        listen unix:%(dir)s/socket;
        root %(root)s;
%(server)s
    }
}
"""


def program():
    """Its path and that of its types; without it the test is skipped."""
    path = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip("nginx is missing")
    types = os.path.join(os.path.dirname(path), "../../etc/nginx/mime.types")
    if not os.path.exists(types):       # else it was installed, not unpacked
        types = "/etc/nginx/mime.types"
    return path, types


class Nginx:
    """with Nginx(root, "gzip on;") as n: n.connect()"""

    def __init__(self, root, server=""):
        path, types = program()
        self.dir = tempfile.mkdtemp(prefix="ng", dir="/tmp")
        self.address = "unix:%s/socket" % self.dir
        config = self.dir + "/nginx.conf"
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG % {"dir": self.dir, "types": types, "root": root, "server": server})
        self.process = subprocess.Popen([path, "-p", self.dir, "-c", config],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        try:
            wait.until(self._answers, 10, "nginx answers")
        except BaseException:
            self.close()
            raise

    def _answers(self):
        assert self.process.poll() is None, self.process.stderr.read()
        try:
            with self.connect():
                return True
        except OSError:
            return False

    def connect(self):
        return http.Connection(self.address)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
